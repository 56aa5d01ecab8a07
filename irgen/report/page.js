/* The page: which sample is shown, in which language and direction, and what is held lit. */

const data = JSON.parse(document.getElementById("data").textContent);
const samples = data.samples;
const at = (id) => document.getElementById(id);
const WAYS = { forward: "Forward", backward: "Adjoint" };
const state = { sample: -1, lane: 0, way: "forward", tab: 0, held: 0, views: [], shown: [] };
const unpacked = new Map();

async function unpack(index) {
  if (!unpacked.has(index)) {
    const bytes = Uint8Array.from(atob(samples[index].packed), (one) => one.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    unpacked.set(index, new Response(stream).json());
  }
  return unpacked.get(index);
}

function verdict(value) {
  return value === null ? "" : value ? "yes" : "no";
}

/* the list */

function listItem(sample, index) {
  const item = made("div", "item");
  item.setAttribute("role", "option");
  item.id = "sample-" + index;
  const dots = made("span", "dots");
  for (const lane of sample.lanes) {
    const dot = made("i", verdict(lane.values === null ? null : lane.values && lane.gradients));
    dot.title = lane.title + (dot.className === "yes" ? " verified" : " not verified");
    dots.append(dot);
  }
  const size = count(sample.statements, "statement") + ", " + sample.split;
  item.append(made("span", "family", sample.grammar), dots, made("span", "size", size));
  item.addEventListener("click", () => show(index));
  return item;
}

function matches(sample) {
  const family = at("family").value;
  const op = at("op").value;
  if ((family && sample.grammar !== family) || (op && !sample.ops.includes(op))) return false;
  const text = [sample.grammar, sample.id, sample.description, ...sample.ops].join(" ").toLowerCase();
  return at("find").value.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

function filter() {
  state.shown = samples.map((_, index) => index).filter((index) => matches(samples[index]));
  at("list").replaceChildren(...state.shown.map((index) => listItem(samples[index], index)));
  const all = state.shown.length === samples.length;
  at("found").textContent = all ? count(samples.length, "sample") : state.shown.length + " of " + count(samples.length, "sample");
  select();
  if (state.shown.length && !state.shown.includes(state.sample)) show(state.shown[0]);
  for (const button of at("ops").children) button.setAttribute("aria-pressed", String(button.textContent === at("op").value));
}

function select() {
  for (const item of at("list").children) {
    const chosen = item.id === "sample-" + state.sample;
    item.setAttribute("aria-selected", String(chosen));
    if (chosen) {
      at("list").setAttribute("aria-activedescendant", item.id);
      const list = at("list");
      const top = item.offsetTop - list.offsetTop;
      if (top < list.scrollTop || top + item.offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = top - 60;
    }
  }
}

function step(by) {
  const place = state.shown.indexOf(state.sample);
  const next = state.shown[Math.min(state.shown.length - 1, Math.max(0, place + by))];
  if (next !== undefined && next !== state.sample) show(next);
}

/* one sample */

async function show(index, held) {
  state.sample = index;
  state.held = 0;
  const sample = samples[index];
  state.lane = Math.min(state.lane, sample.lanes.length - 1);
  at("name").textContent = sample.grammar + " " + sample.index;
  at("description").textContent = sample.description;
  at("ops").replaceChildren(
    ...sample.ops.map((op) => {
      const button = made("button", "", op);
      button.type = "button";
      button.setAttribute("aria-pressed", String(at("op").value === op));
      button.addEventListener("click", () => {
        at("op").value = at("op").value === op ? "" : op;
        filter();
      });
      return button;
    }),
  );
  switches(at("lanes"), sample.lanes.map((lane) => lane.title), state.lane, (lane) => { state.lane = lane; draw(); });
  select();
  await draw(held);
}

function facts(sample, lane) {
  const link = made("a", "", sample.id.slice(0, 12));
  link.href = "#" + sample.id;
  link.title = "Link to this sample";
  const parts = [link, ", seed " + sample.seed + ", " + sample.split + ", " + count(sample.statements, "statement") + ", depth " + sample.depth];
  for (const [name, value] of [["values", lane.values], ["gradients", lane.gradients]]) {
    if (value === null) continue;
    parts.push(", " + name + " ", made("span", verdict(value), value ? "verified" : "not verified"));
  }
  at("facts").replaceChildren(...parts);
}

async function draw(held) {
  const index = state.sample;
  const sample = samples[index];
  const lane = (await unpack(index))[state.lane];
  if (index !== state.sample) return;
  state.held = 0;
  const ways = [...new Set(lane.panels.map((panel) => panel.direction))];
  if (!ways.includes(state.way)) state.way = ways[0];
  press(at("lanes"), state.lane);
  switches(at("ways"), ways.map((way) => WAYS[way] || way), ways.indexOf(state.way), (way) => { state.way = ways[way]; draw(state.held); });
  facts(sample, sample.lanes[state.lane]);
  at("note").hidden = !lane.note;
  at("note").textContent = lane.note;
  const order = [...new Set(lane.anchors.filter(Boolean))].sort((a, b) => a - b);
  const hue = (line) => Math.max(0, order.indexOf(line)) % 8;
  const source = sourcePane("Python", lane.python, lane.anchors, hue);
  const panels = lane.panels.filter((panel) => panel.direction === state.way);
  const levels = panels.map((panel) => {
    const level = data.levels[panel.level] || { title: panel.level, syntax: "" };
    if (panel.text === null) return absentPane(level.title, panel.missing);
    return textPane(level.title, panel.text, level.syntax, panel.lines.map(listed), panel.through.map(listed), hue);
  });
  state.views = [source, ...levels];
  at("panes").replaceChildren(...state.views.map((view) => view.pane));
  at("panes").style.gridTemplateColumns = levels.length === 2 ? "" : levels.length ? "minmax(0,1fr) minmax(0,1fr)" : "minmax(0,1fr)";
  state.tab = Math.min(state.tab, Math.max(0, levels.length - 1));
  switches(at("tabs"), levels.map((view) => view.title), state.tab, tabbed);
  tabbed(state.tab);
  levels.forEach(settle);
  hold(held || 0);
}

function tabbed(tab) {
  state.tab = tab;
  press(at("tabs"), tab);
  state.views.slice(1).forEach((view, place) => view.pane.classList.toggle("away", place !== tab && state.views.length > 2));
  if (state.held) glow(lines(state.held), null);
}

function switches(group, titles, chosen, act) {
  group.replaceChildren(
    ...titles.map((title, place) => {
      const button = made("button", "", title);
      button.type = "button";
      button.addEventListener("click", () => { press(group, place); act(place); });
      return button;
    }),
  );
  group.hidden = titles.length < 2;
  press(group, chosen);
}

function press(group, chosen) {
  [...group.children].forEach((button, place) => button.setAttribute("aria-pressed", String(place === chosen)));
}

/* lines */

/** The lines that light up with a line of Python: that which stands for it. */
function lines(number) {
  const source = state.views[0];
  return source && source.own[number - 1] ? source.own[number - 1] : [];
}

function glow(wanted, from) {
  const said = light(state.views, wanted, from);
  const places = wanted.length > 1 ? "Lines " + wanted.join(", ") : "Line " + wanted[0];
  at("said").textContent = wanted.length ? places + (said ? ": " + said : "") : "";
}

function hold(number) {
  state.held = lines(number).length ? number : 0;
  glow(state.held ? lines(number) : [], null);
  const id = samples[state.sample].id;
  const place = state.held || state.lane || state.way !== "forward" ? "/" + state.lane + "/" + state.way + (state.held ? "/" + state.held : "") : "";
  try {
    history.replaceState(null, "", "#" + id + place);
  } catch { /* some viewers have no history */ }
}

function pointed(target) {
  const line = target.closest ? target.closest(".line") : null;
  if (!line) return null;
  const view = state.views.find((one) => one.pane.contains(line));
  return view ? { view, number: view.elements.indexOf(line) + 1 } : null;
}

let waiting = 0;
function onPoint(event) {
  const found = pointed(event.target);
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(() => {
    const own = found ? found.view.own[found.number - 1] : [];
    if (own.length) glow(own, found.view);
    else glow(state.held ? lines(state.held) : [], found ? found.view : null);
  });
}

function onPress(event) {
  const found = pointed(event.target);
  if (!found) return;
  const own = found.view.own[found.number - 1];
  hold(own.length && !own.includes(state.held) ? own[0] : 0);
  if (own.length > 1 && state.held) glow(own, found.view);
  if (found.view.source) focusLine(found.number, false);
}

function focusLine(number, lighting) {
  const source = state.views[0];
  source.elements.forEach((line, place) => { line.tabIndex = place + 1 === number ? 0 : -1; });
  source.elements[number - 1].focus({ preventScroll: !lighting });
  if (lighting) glow(lines(number), source);
}

/* keys */

const KEYS = {
  j: () => step(1),
  k: () => step(-1),
  l: () => { state.lane = (state.lane + 1) % samples[state.sample].lanes.length; draw(); },
  d: () => { state.way = state.way === "forward" ? "backward" : "forward"; draw(state.held); },
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !samples.length) return;
  const field = event.target.closest("input, select");
  if (event.key === "Escape" && !field) return hold(0);
  const line = event.target.closest(".line");
  const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (line && move) {
    const source = state.views[0];
    const number = source.elements.indexOf(line) + 1 + move;
    if (number >= 1 && number <= source.elements.length) focusLine(number, true);
    return event.preventDefault();
  }
  if (line && (event.key === "Enter" || event.key === " ")) {
    const number = Number(line.dataset.n);
    hold(state.held === number ? 0 : number);
    return event.preventDefault();
  }
  if (event.target === at("list") && move) {
    step(move);
    return event.preventDefault();
  }
  if (!field && KEYS[event.key.toLowerCase()]) KEYS[event.key.toLowerCase()]();
}

/* plots, theme, start */

function onPlot(event) {
  const mark = event.target.closest("[data-of]");
  const tip = at("tip");
  tip.hidden = !mark || !mark.dataset.of;
  if (tip.hidden) return;
  tip.textContent = mark.dataset.of;
  const box = tip.getBoundingClientRect();
  tip.style.left = Math.max(8, Math.min(event.clientX + 12, innerWidth - box.width - 8)) + "px";
  tip.style.top = (event.clientY + box.height + 28 > innerHeight ? event.clientY - box.height - 10 : event.clientY + 16) + "px";
}

const THEMES = ["system", "light", "dark"];

function stored(theme) {
  try {
    if (theme !== undefined) localStorage.setItem("irgen-theme", theme);
    return localStorage.getItem("irgen-theme");
  } catch {
    return theme || null; // files may have no storage
  }
}

function setTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  at("theme").textContent = "Theme: " + theme;
}

function fromAddress() {
  const [id, lane, way, line] = location.hash.slice(1).split("/");
  const index = samples.findIndex((sample) => sample.id === id);
  if (index < 0) return false;
  state.lane = Math.max(0, Math.min(Number(lane) || 0, samples[index].lanes.length - 1));
  state.way = WAYS[way] ? way : "forward";
  show(index, Number(line) || 0);
  return true;
}

let theme = THEMES.includes(stored()) ? stored() : "system";
setTheme(theme);
at("theme").addEventListener("click", () => {
  theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
  stored(theme);
  setTheme(theme);
});
at("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(at("command").textContent);
    at("copy").textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(at("command")); // no clipboard: at least it is selected
  }
});
for (const plot of document.querySelectorAll(".drawing")) {
  plot.addEventListener("pointermove", onPlot);
  plot.addEventListener("pointerdown", onPlot);
  plot.addEventListener("pointerleave", () => { at("tip").hidden = true; });
}
if (samples.length) {
  at("panes").addEventListener("pointerover", (event) => { if (event.pointerType === "mouse") onPoint(event); });
  at("panes").addEventListener("pointerleave", () => { cancelAnimationFrame(waiting); glow(state.held ? lines(state.held) : [], null); });
  at("panes").addEventListener("click", onPress);
  at("panes").addEventListener("focusin", (event) => {
    const found = pointed(event.target);
    if (found && event.target.matches(":focus-visible")) glow(lines(found.number), found.view);
  });
  document.addEventListener("keydown", onKey);
  at("previous").addEventListener("click", () => step(-1));
  at("next").addEventListener("click", () => step(1));
  for (const name of ["find", "family", "op"]) at(name).addEventListener("input", filter);
  addEventListener("hashchange", fromAddress);
  const linked = fromAddress();
  filter();
  if (!linked && state.sample < 0) show(0);
} else {
  at("samples").hidden = true;
}
