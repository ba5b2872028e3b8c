"use strict";
// Pages work without this: it counts down, renews what has news, and listens to keys.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const clock = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds));
    const two = (number) => String(number).padStart(2, "0");
    const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
    return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
  };

  const localise = (root) => all("time[datetime]", root).forEach((time) => {
    const when = new Date(time.dateTime);
    if (Number.isNaN(when.valueOf()) || time.title) return;
    time.title = time.textContent;
    const today = when.toDateString() === new Date().toDateString();
    const parts = today ? { timeStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" };
    time.textContent = new Intl.DateTimeFormat(undefined, parts).format(when);
  });

  const tick = () => {
    all("[data-until]").forEach((place) => {
      const left = (Number(place.dataset.until) - Date.now()) / 1000;
      place.querySelector(".left").textContent = clock(left);
      place.classList.toggle("soon", left < 60);
      const bar = place.querySelector("progress");
      if (bar) bar.value = Math.max(0, left);
    });
    all("[data-since]").forEach((place) => {
      place.textContent = clock((Date.now() - Number(place.dataset.since)) / 1000);
    });
  };

  // --- news -------------------------------------------------------------------------------------
  let renewing = false;
  let again = null;
  const renew = async (topics) => {
    if (renewing) {
      again = new Set([...(again || []), ...topics]);
      return;
    }
    const wanted = [...topics].flatMap((topic) => all(`[data-live="${topic}"], [data-watch="${topic}"]`));
    if (!wanted.length) return;
    renewing = true;
    try {
      const answer = await fetch(location.href, { headers: { "Hoopgate-Passive": "1" } });
      if (answer.redirected && new URL(answer.url).pathname !== location.pathname) location.reload();
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!answer.ok) return;
      document.title = fresh.title;
      for (const place of wanted) {
        const now = fresh.getElementById(place.id);
        if (place.dataset.watch) {
          if (now && now.dataset.value !== place.dataset.value) location.reload();
          continue;
        }
        if (!now || place.contains(document.activeElement) && document.activeElement.matches("input, textarea, button")) continue;
        const following = "follow" in place.dataset && atEnd();
        const chosen = all(".chosen", place).map((entry) => entry.querySelector("a")?.href)[0];
        place.replaceWith(now);
        localise(now);
        filter();
        if (chosen) choose(entries().find((entry) => entry.querySelector("a")?.href === chosen));
        if (following) scrollTo(0, document.body.scrollHeight);
      }
      tick();
    } catch { /* the next news tries again */ } finally {
      renewing = false;
      if (again) {
        const missed = again;
        again = null;
        renew(missed);
      }
    }
  };
  const atEnd = () => innerHeight + scrollY >= document.body.scrollHeight - 80;

  const listen = () => {
    const source = new EventSource(`/events?${document.body.dataset.news || ""}`);
    let banner = null;
    for (const topic of ["approvals", "live", "log"]) source.addEventListener(topic, () => renew([topic]));
    source.onopen = () => {
      if (banner) {
        banner.remove();
        banner = null;
        renew(["approvals", "live", "log"]);
      }
      document.body.dataset.live = "open";
    };
    source.onerror = () => {
      document.body.dataset.live = "lost";
      if (banner) return;
      banner = document.createElement("div");
      banner.className = "offline";
      banner.setAttribute("role", "status");
      banner.textContent = "No connection: what you see may be old";
      document.body.append(banner);
      if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 3000);
    };
    addEventListener("pagehide", () => source.close());
  };

  // --- results that are far back -------------------------------------------------------------------
  // A search answers after a moment with what it has: it goes on until there is a page of it.
  const search = async () => {
    const place = (id, root = document) => root.getElementById(id);
    const count = place("count");
    let more = null;
    while ((more = document.querySelector("#pages [data-more]")) && all("#found tbody tr").length < 50) {
      count.dataset.busy = "";
      await new Promise((go) => setTimeout(go, 150)); // agents are served meanwhile
      const answer = await fetch(more.href);
      if (!answer.ok || answer.redirected) break;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      localise(fresh);
      const rows = document.querySelector("#found tbody");
      if (rows) rows.append(...all("#found tbody tr", fresh));
      else place("found").replaceWith(place("found", fresh));
      place("pages").replaceWith(place("pages", fresh));
      count.replaceChildren(...place("count", fresh).childNodes);
      place("number").textContent = all("#found tbody tr").length;
    }
    if (count) delete count.dataset.busy;
  };

  // --- find in a timeline -------------------------------------------------------------------------
  const filter = () => all("[data-filter]").forEach((field) => {
    const wanted = field.value.toLowerCase();
    all(`#${field.dataset.filter} > li`).forEach((line) => {
      line.classList.toggle("missed", !line.textContent.toLowerCase().includes(wanted));
    });
  });

  // --- keys ---------------------------------------------------------------------------------------
  const entries = () => all("[data-entry]");
  const choose = (entry) => {
    if (!entry) return;
    all(".chosen").forEach((other) => other.classList.remove("chosen"));
    entry.classList.add("chosen");
    const link = entry.querySelector("a");
    if (link) link.focus({ preventScroll: true });
    entry.scrollIntoView({ block: "nearest" });
  };
  const step = (by) => {
    const list = entries();
    const at = list.findIndex((entry) => entry.classList.contains("chosen"));
    choose(list[Math.min(list.length - 1, Math.max(0, at < 0 ? 0 : at + by))]);
  };
  const decide = (key) => {
    const button = document.querySelector(`.decide [data-key="${key}"]`);
    const reason = document.getElementById("reason");
    if (!button || !reason) return;
    if (reason.value.trim().length < 3) reason.focus();
    else button.focus();
  };
  const places = { a: "/approvals", l: "/live", r: "/sessions", o: "/log", i: "/identities", u: "/rules" };
  let going = false;
  const keys = {
    j: () => step(1), k: () => step(-1), a: () => decide("a"), d: () => decide("d"),
    "/": () => document.querySelector("[data-search]")?.focus(),
    "?": () => document.getElementById("keys").showModal(),
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input, textarea, select")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (going && places[event.key]) location.assign(places[event.key]);
    else if (event.key in keys) {
      event.preventDefault();
      keys[event.key]();
    }
    going = event.key === "g";
  });

  document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  localise(document);
  tick();
  setInterval(tick, 1000);
  all("[data-filter]").forEach((field) => field.addEventListener("input", filter));
  if (document.querySelector("[data-follow]")) scrollTo(0, document.body.scrollHeight);
  listen();
  search().catch(() => {}); // the link is there
})();
