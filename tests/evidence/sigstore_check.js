// Checks checkpoints and inclusion proofs with @sigstore/verify, and nothing of hoopgate's.
// Standard input: JSON {modules, key (SPKI, base64), name, proofs: [{envelope, index, hashes, leaf}]}
'use strict';
const { createPublicKey, createHash } = require('crypto');
const path = require('path');

const input = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const verify = path.join(input.modules, '@sigstore', 'verify', 'dist', 'tlog');
const { verifyCheckpoint } = require(path.join(verify, 'checkpoint.js'));
const { verifyMerkleInclusion } = require(path.join(verify, 'merkle.js'));

const key = createPublicKey({ key: Buffer.from(input.key, 'base64'), format: 'der', type: 'spki' });
const logs = [{ logID: Buffer.from(input.id, 'hex'), publicKey: key, baseURL: input.name }];
const results = input.proofs.map((proof) => {
  const entry = {
    canonicalizedBody: Buffer.from(proof.leaf, 'base64'),
    inclusionProof: {
      logIndex: String(proof.index),
      hashes: proof.hashes.map((hash) => Buffer.from(hash, 'base64')),
      checkpoint: { envelope: proof.envelope },
    },
  };
  try {
    verifyMerkleInclusion(entry, verifyCheckpoint(entry, logs));
    return 'good';
  } catch (error) {
    return error.code + ': ' + error.message;
  }
});
process.stdout.write(JSON.stringify(results));
