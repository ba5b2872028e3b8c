// Checks leaves of a C2SP tlog-tiles directory with golang.org/x/mod/sumdb/{note,tlog}, and nothing
// of hoopgate's: the checkpoint's signature, then that each leaf is in the tree it signs.
package main

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const width = 256

type tiles struct{ dir string }

func (t tiles) Height() int { return 8 }

// tlog-tiles has the paths of tlog without the height.
func (t tiles) ReadTiles(want []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, one := range want {
		path := strings.Replace(one.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(t.dir, path))
		if err != nil && one.W < width {
			full := one
			full.W = width
			path = strings.Replace(full.Path(), "tile/8/", "tile/", 1)
			data, err = os.ReadFile(filepath.Join(t.dir, path))
			if len(data) > one.W*tlog.HashSize {
				data = data[:one.W*tlog.HashSize]
			}
		}
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// bundle reads the entries of one bundle of a tree of the given size.
func (t tiles) bundle(number, size int64) ([][]byte, error) {
	name := tlog.Tile{H: 8, L: 0, N: number, W: width}.Path()
	path := strings.Replace(name, "tile/8/0/", "tile/entries/", 1)
	data, err := os.ReadFile(filepath.Join(t.dir, path))
	if w := size - number*width; err != nil && w < width {
		data, err = os.ReadFile(filepath.Join(t.dir, path+".p/"+strconv.FormatInt(w, 10)))
	}
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for len(data) > 0 {
		if len(data) < 2 {
			return nil, fmt.Errorf("bundle %d is malformed", number)
		}
		n := int(binary.BigEndian.Uint16(data))
		if len(data) < 2+n {
			return nil, fmt.Errorf("bundle %d is malformed", number)
		}
		entries = append(entries, data[2:2+n])
		data = data[2+n:]
	}
	return entries, nil
}

func check(dir, key string, first, last int64) error {
	verifier, err := note.NewVerifier(strings.TrimSpace(key))
	if err != nil {
		return err
	}
	signed, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return err
	}
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 3 || lines[0] != verifier.Name() {
		return fmt.Errorf("not a checkpoint of %s", verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return err
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return err
	}
	if last < 0 {
		last = size - 1
	}
	reader := tiles{dir}
	// TileHashReader checks every tile against the tree before it gives a hash of it.
	hashes := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, reader)
	for number := first / width; number <= last/width; number++ {
		entries, err := reader.bundle(number, size)
		if err != nil {
			return err
		}
		var indexes []int64
		for at := range entries {
			indexes = append(indexes, tlog.StoredHashIndex(0, number*width+int64(at)))
		}
		want, err := hashes.ReadHashes(indexes)
		if err != nil {
			return err
		}
		for at, entry := range entries {
			if tlog.RecordHash(entry) != want[at] {
				return fmt.Errorf("leaf %d is not the one in the tree", number*width+int64(at))
			}
		}
	}
	fmt.Printf("good: leaves %d to %d of %d, root %s, signed by %s\n",
		first, last, size, root, verifier.Name())
	return nil
}

func main() {
	dir := flag.String("dir", "log", "the log's directory")
	key := flag.String("key", "", "the log's verifier key")
	first := flag.Int64("first", 0, "the first leaf")
	last := flag.Int64("last", -1, "the last leaf; -1: the last of the log")
	flag.Parse()
	if err := check(*dir, *key, *first, *last); err != nil {
		fmt.Fprintln(os.Stderr, "BAD:", err)
		os.Exit(1)
	}
}
