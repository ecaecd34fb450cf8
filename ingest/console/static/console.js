// Times in the reader's own zone, and pages that follow what happens. Everything works, if less smoothly, without it.
"use strict";
(() => {
  const words = JSON.parse(document.body.dataset.words);
  const language = document.documentElement.lang;
  document.documentElement.classList.add("is-scripted");

  const formats = {
    clock: { hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
    second: { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
    day: { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
    exact: { dateStyle: "full", timeStyle: "long" },
  };
  const formatters = Object.fromEntries(
    Object.entries(formats).map(([name, options]) => [name, new Intl.DateTimeFormat(language, options)]),
  );
  const withYear = new Intl.DateTimeFormat(language, { ...formats.day, year: "numeric" });

  function say(milliseconds) {
    const s = Math.max(0, Math.floor(milliseconds / 1000));
    const [min, h, d] = [Math.floor(s / 60), Math.floor(s / 3600), Math.floor(s / 86400)];
    const parts = !min ? [["s", s]] : !h ? [["min", min]] : !d ? [["h", h], ["min", min % 60]] : [["d", d], ["h", h % 24]];
    return parts.filter(([, n]) => n || parts.length === 1).map(([unit, n]) => words[unit].replace("{n}", n)).join(" ");
  }

  // The server's clock, not the reader's, says how long something has been.
  const served = Number(document.body.dataset.now);
  const started = performance.now();
  const now = () => served + performance.now() - started;

  function count(root) {
    for (const each of root.querySelectorAll("[data-since]")) each.textContent = say(now() - Number(each.dataset.since));
  }

  function localize(root) {
    const year = new Date().getFullYear();
    for (const each of root.querySelectorAll("time[datetime]")) {
      const at = new Date(each.dateTime);
      const form = each.dataset.form;
      const formatter = form === "day" && at.getFullYear() !== year ? withYear : formatters[form];
      each.textContent = formatter.format(at);
      each.title = formatters.exact.format(at);
    }
    count(root);
  }

  // What the server last said of each live part, without what time alone changes.
  const plain = (html) => html.replace(/(<span data-since="-?\d+">)[^<]*/g, "$1");
  const said = new Map();
  const parts = () => document.querySelectorAll("[data-live]");
  const remember = (part) => {
    said.set(part.id, plain(part.innerHTML));
    if (part.dataset.live === "list") for (const row of part.children) said.set(`${part.id}/${row.dataset.key}`, plain(row.outerHTML));
  };

  function keepPlace(change) {
    const below = [...document.querySelectorAll("[data-key]")].find((row) => row.getBoundingClientRect().bottom > 60);
    const before = below?.getBoundingClientRect().top;
    change();
    if (window.scrollY > 0 && below?.isConnected) {
      const moved = below.getBoundingClientRect().top - before;
      if (moved) window.scrollBy({ top: moved, behavior: "instant" });
    }
  }

  function followList(part, fresh) {
    const held = new Map([...part.children].map((row) => [row.dataset.key, row]));
    const rows = [...fresh.children].map((row) => {
      const key = `${part.id}/${row.dataset.key}`;
      const old = held.get(row.dataset.key);
      const html = plain(row.outerHTML);
      if (old && said.get(key) === html) return old;
      said.set(key, html);
      localize(row);
      for (const box of row.querySelectorAll("input[type=checkbox]")) box.checked = old?.querySelector("input[type=checkbox]")?.checked ?? false;
      row.classList.toggle("is-new", !old);
      return row;
    });
    part.replaceChildren(...rows);
  }

  function followPart(part, fresh) {
    const html = plain(fresh.innerHTML);
    if (said.get(part.id) === html) return;
    if ([...part.querySelectorAll("video")].some((video) => !video.paused)) return; // Somebody is watching.
    if (part.contains(document.activeElement) && document.activeElement.matches("input, textarea, select")) return; // Somebody is writing.
    said.set(part.id, html);
    const picked = [...part.querySelectorAll("input:checked")].map((each) => each.id);
    const held = new Set([...part.querySelectorAll("input")].map((each) => each.id));
    part.replaceChildren(...fresh.childNodes);
    for (const input of part.querySelectorAll("input")) if (held.has(input.id)) input.checked = picked.includes(input.id);
    localize(part);
  }

  async function refresh() {
    if (!parts().length) return;
    const response = await fetch(location.href, { headers: { "X-Live": "1" }, redirect: "manual" });
    if (!response.ok) return;
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    keepPlace(() => {
      for (const part of parts()) {
        const other = fresh.getElementById(part.id);
        if (!other) continue;
        if (part.dataset.live === "list") followList(part, other);
        else followPart(part, other);
      }
    });
    document.dispatchEvent(new Event("wayside:refreshed"));
  }

  const live = document.getElementById("live");
  function show(state) {
    live.hidden = false;
    live.classList.toggle("is-off", state !== "on");
    live.querySelector(".live-word").textContent = words[state];
  }

  // A page follows what it shows, at most so often: a street of lamps tells of itself all the time.
  const follows = new Set(["everything", ...document.body.dataset.follows.split(" ")]);
  const SOON_MS = 250;
  const APART_MS = 500;
  let source = null;
  let due = 0;
  let last = -APART_MS;
  function soon() {
    if (due) return;
    due = setTimeout(() => {
      due = 0;
      last = performance.now();
      refresh().catch(() => {}); // The next change, or the stream's own return, tries again.
      document.dispatchEvent(new Event("wayside:change"));
    }, Math.max(SOON_MS, last + APART_MS - performance.now()));
  }
  function listen() {
    source?.close();
    source = new EventSource("/api/changes");
    source.addEventListener("ready", () => { show("on"); soon(); });
    source.addEventListener("change", (event) => { if (follows.has(JSON.parse(event.data).kind)) soon(); });
    source.addEventListener("ended", () => { source.close(); source = null; show("ended"); });
    source.onerror = () => show("off");
  }

  for (const part of parts()) remember(part);
  localize(document);
  setInterval(() => count(document), 5000);
  for (const input of document.querySelectorAll("[data-tz]")) input.value = Intl.DateTimeFormat().resolvedOptions().timeZone;
  for (const form of document.querySelectorAll("form[data-auto]")) {
    form.addEventListener("change", (event) => { if (event.target.name) form.requestSubmit(); });
    form.addEventListener("submit", () => { for (const each of form.elements) if (each.name && !each.value) each.disabled = true; });
  }
  if (live) {
    listen();
    // A hidden page gives its connection back: browsers allow few per host.
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) { source?.close(); source = null; } else if (!source) listen();
    });
  }
})();
