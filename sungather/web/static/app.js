// The page works without this file. With it: live values, a curve to point at, a search.

const inverter = document.body.dataset.inverter;
const banner = document.getElementById("connection");
const { lang } = document.documentElement;
document.documentElement.classList.add("live");

/* The texts come with the page, in its language. */
const texts = JSON.parse(document.body.dataset.words);
const say = (key, values) => texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
const written = (value, digits = 0) =>
  value.toLocaleString(lang, { minimumFractionDigits: digits, maximumFractionDigits: digits });

// Server time less ours: ages are right even on a phone whose clock is not.
let ahead = Date.parse(document.body.dataset.now) - Date.now();
let heard = Date.now();
let failing = 0; // since when the stream tries in vain

/* Make `old` equal to `fresh` in place: animations, focus and open details stay. */
const OURS = new Set(["open", "hidden", "checked"]);
function morph(old, fresh) {
  if (old.nodeName !== fresh.nodeName) return old.replaceWith(fresh);
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !OURS.has(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && !OURS.has(name)) old.setAttribute(name, value);
  }
  morphInside(old, fresh);
}
function morphInside(old, fresh) {
  const before = [...old.childNodes], after = [...fresh.childNodes];
  after.forEach((node, index) => {
    if (index < before.length) morph(before[index], node);
    else old.append(node);
  });
  before.slice(after.length).forEach((node) => node.remove());
}
function show(element, html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  morphInside(element, template.content);
}

/* Ages count on by themselves. */
function ago(seconds) {
  if (seconds < 1.5) return say("ago.now");
  if (seconds < 99.5) return say("ago.seconds", { n: Math.round(seconds) });
  if (seconds < 5970) return say("ago.minutes", { n: Math.round(seconds / 60) });
  if (seconds < 172800) return say("ago.hours", { n: Math.round(seconds / 3600) });
  return say("ago.days", { n: Math.round(seconds / 86400) });
}
function tick() {
  const now = Date.now() + ahead;
  for (const time of document.querySelectorAll("time.ago")) {
    const text = ago(Math.max(0, (now - Date.parse(time.dateTime)) / 1000));
    if (time.textContent !== text) time.textContent = text;
  }
  const silent = Date.now() - heard, broken = failing && Date.now() - failing > 4000;
  lost(!document.hidden && (silent > 12000 || broken));
}
function countTroubles() {
  const { count } = document.querySelector("#trouble ul")?.dataset ?? {};
  const title = document.title.replace(/^\(\d+\) /, "");
  document.title = count ? `(${count}) ${title}` : title;
}
function lost(is) {
  if (document.body.classList.contains("lost") === is) return;
  document.body.classList.toggle("lost", is);
  banner.hidden = !is;
  banner.textContent = is ? say("script.lost") : "";
}

/* What is asked for is about this page, and in its language. */
const asking = (more) => new URLSearchParams({ ...more, inverter, lang });

/* Live values, while the page is looked at. */
let stream;
function listen() {
  stream?.close();
  stream = new EventSource(`events?${asking({})}`);
  stream.onopen = () => { heard = Date.now(); failing = 0; };
  stream.onerror = () => {
    failing ||= Date.now();
    if (stream.readyState === EventSource.CLOSED) lost(true);
  };
  stream.onmessage = ({ data }) => {
    const { now, parts } = JSON.parse(data);
    heard = Date.now();
    ahead = Date.parse(now) - heard;
    const names = Object.keys(parts).sort((a, b) => (b === "values") - (a === "values"));
    for (const name of names) {
      const element = document.getElementById(name);
      if (element) show(element, parts[name]);
    }
    if ("trouble" in parts) countTroubles();
    if ("values" in parts) search();
    tick();
    refreshDay(Date.parse(now));
  };
}
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return stream.close();
  heard = Date.now();
  failing = 0;
  listen();
});
addEventListener("pagehide", () => stream.close());
addEventListener("pageshow", (event) => { if (event.persisted) listen(); });
listen();
setInterval(tick, 1000);

/* The day: other days without leaving the page, today's curve kept new. */
const day = document.getElementById("day") ?? document.createElement("section");
let shownDay = new URLSearchParams(location.search).get("day") ?? "", askedDay = shownDay;
/* Whether the day is shown now: not if another one was asked for before the answer came. */
async function loadDay(wanted) {
  askedDay = wanted;
  try {
    const answer = await fetch(`curve?${asking({ day: wanted })}`);
    if (!answer.ok) throw new Error(answer.statusText);
    const html = await answer.text();
    if (wanted !== askedDay) return false;
    if (wanted !== shownDay) {
      leave();
      day.innerHTML = html;
    } else show(day, html);
    shownDay = wanted;
    samples = undefined;
    return true;
  } finally {
    if (wanted === askedDay) askedDay = shownDay;
  }
}
let drawn = Date.parse(document.body.dataset.now), asked = Date.now();
/* Today's curve, once a minute of the site's time (a demonstration's minutes are short). */
function refreshDay(now) {
  if (!("live" in day.dataset) || askedDay !== shownDay) return;
  if (now - drawn < 60000 || Date.now() - asked < 2000) return;
  drawn = now;
  asked = Date.now();
  loadDay(shownDay).catch(() => {});
}
async function go(wanted) {
  const query = new URLSearchParams(inverter ? { inverter, day: wanted } : { day: wanted });
  if (!await loadDay(wanted)) return;
  day.toggleAttribute("data-live", !day.querySelector("a[rel=next]"));
  history.replaceState(null, "", `?${query}#day`);
}
day.addEventListener("click", (event) => {
  const step = event.target.closest("a.step");
  if (!step || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const { rel } = step;
  go(new URL(step.href).searchParams.get("day"))
    .then(() => (day.querySelector(`a[rel=${rel}]`) ?? day.querySelector("a.step")).focus())
    .catch(() => { location.href = step.href; });
});
day.addEventListener("change", ({ target }) => {
  if (target.type === "date" && target.value && target.checkValidity()) {
    go(target.value).then(() => day.querySelector("input[type=date]").focus()).catch(() => {});
  }
});

/* Other months and years without leaving the page. */
const bars = document.getElementById("bars");
bars?.addEventListener("click", async (event) => {
  const link = event.target.closest("a[href^='?span']");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const { href, textContent } = link;
  try {
    const asked = Object.fromEntries(new URL(href).searchParams);
    const answer = await fetch(`bars?${asking(asked)}`);
    if (!answer.ok) throw new Error(answer.statusText);
    bars.innerHTML = await answer.text();
    const links = [...bars.querySelectorAll("a")];
    (links.find((one) => one.textContent === textContent) ?? links[0]).focus();
  } catch { location.href = href; }
});

/* Pointing at the curve, or walking along it with the arrow keys. */
let samples, at;
const watts = (value) =>
  Math.abs(value) < 999.5 ? `${written(value)} W` : `${written(value / 1000, 2)} kW`;
async function point(plot, share) {
  at = Math.min(1, Math.max(0, share));
  const box = plot.parentElement.dataset;
  const start = +box.start, end = +box.end;
  samples ??= fetch(`api/v1/history?${asking({ day: shownDay })}`)
    .then((answer) => answer.json());
  const told = await samples;
  if (at === undefined || !plot.isConnected) return;
  const index = Math.min(Math.floor((at * (end - start)) / told.step), (end - start) / told.step - 1);
  const time = start + index * told.step;
  const sample = told.samples.findLast(([when]) => when <= time && time - when < +box.gap);
  const clock = new Date(time * 1000).toLocaleTimeString("en-GB", {
    hour: "2-digit", minute: "2-digit", timeZone: told.timezone.includes("/") ? told.timezone : undefined,
  });
  let cursor = plot.querySelector(".cursor");
  if (!cursor) plot.append(cursor = Object.assign(document.createElement("div"), { className: "cursor" }));
  const left = ((index + 0.5) * told.step) / (end - start);
  cursor.style.left = `${left * 100}%`;
  const output = plot.querySelector(".reading");
  output.textContent = [clock, ...lines(sample)].join("\n");
  output.hidden = false;
  output.style.left = left < 0.5 ? `calc(${left * 100}% + 10px)` : "auto";
  output.style.right = left < 0.5 ? "auto" : `calc(${100 - left * 100}% + 10px)`;
}
function lines(sample) {
  if (!sample) return [say("script.nothing")];
  const [, state, ...means] = sample;
  const [pv, house, bought, sold, charge, discharge, level] = means;
  const found = [];
  const tell = (key, value) => found.push(`${say(`energy.${key}`)} ${watts(value)}`);
  if (pv !== null) tell("pv", pv);
  if (house !== null) tell("house", house);
  const grid = bought === null && sold === null ? null : (bought ?? 0) - (sold ?? 0);
  if (grid !== null) tell(grid < 0 ? "grid_export" : "grid_import", Math.abs(grid));
  const battery = charge === null && discharge === null ? null : (discharge ?? 0) - (charge ?? 0);
  if (battery !== null) tell(battery < 0 ? "battery_charge" : "battery_discharge", Math.abs(battery));
  if (level !== null) found.push(`${say("energy.battery_level")} ${Math.round(level)}`);
  return found.length ? found : [say(`state.${state}`)];
}
function leave() {
  at = undefined;
  const output = day.querySelector(".reading");
  if (output) output.hidden = true;
  day.querySelector(".cursor")?.remove();
}
const plotOf = (event) => event.target.closest?.(".plot");
for (const kind of ["pointerdown", "pointermove"]) {
  day.addEventListener(kind, (event) => {
    const plot = plotOf(event);
    if (!plot) return;
    const { left, width } = plot.getBoundingClientRect();
    point(plot, (event.clientX - left) / width).catch(() => {});
  });
}
day.addEventListener("pointerout", (event) => {
  if (event.pointerType === "mouse" && !event.relatedTarget?.closest?.(".plot")) leave();
});
day.addEventListener("keydown", (event) => {
  const plot = plotOf(event);
  const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -12, PageDown: 12 }[event.key];
  if (!plot || (!step && event.key !== "Escape")) return;
  event.preventDefault();
  if (!step) return leave();
  const { start, end } = plot.parentElement.dataset;
  const share = 300 / (end - start);
  point(plot, at === undefined ? 0.5 : at + step * share).catch(() => {});
});
day.addEventListener("focusout", leave);

/* Search in all values. */
const field = document.getElementById("search");
function search() {
  if (!field) return;
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = [...document.querySelectorAll("#values tbody tr")];
  let count = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
    count += !row.hidden;
  }
  document.getElementById("found").textContent = words.length ? say("script.found", { n: count, all: rows.length }) : "";
}
if (field) {
  field.closest("label").hidden = false;
  field.addEventListener("input", search);
  search();
}
