/* Panes: the source and its levels, and which lines of them belong together. */

function made(tag, name, text) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
}

const listed = (brief) => (Array.isArray(brief) ? brief : brief ? [brief] : []);

const colourer = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      colourer.unobserve(entry.target);
      for (const line of entry.target.children) highlight(line, entry.target.dataset.syntax);
    }
  },
  { rootMargin: "200px" },
);

const CHUNK = 40;

/** A pane with a text. `own` and `through` have the lines of Python of each of its lines. */
function textPane(title, text, syntax, own, through, hue) {
  const pane = made("section", "pane");
  const written = text.replace(/\n+$/, "").split("\n");
  const head = made("header");
  head.append(made("h4", "", title), made("span", "", count(written.length, "line")));
  const code = made("div", "code");
  const lines = made("div", "lines");
  code.tabIndex = 0;
  code.setAttribute("role", "group");
  code.setAttribute("aria-label", title);
  const elements = [];
  let chunk = null;
  written.forEach((words, at) => {
    if (at % CHUNK === 0) {
      chunk = made("div", "chunk");
      chunk.style.setProperty("--lines", Math.min(CHUNK, written.length - at));
      chunk.dataset.syntax = syntax;
      lines.append(chunk);
      colourer.observe(chunk);
    }
    const line = made("div", "line", words);
    line.dataset.n = at + 1;
    const first = own[at][0];
    if (first) line.classList.add("hue-" + hue(first));
    chunk.append(line);
    elements.push(line);
  });
  code.append(lines);
  const ruler = made("div", "ruler");
  pane.append(head, code, ruler);
  return { pane, code, ruler, title, elements, own, through, source: false };
}

/** A pane that says why there is no text. */
function absentPane(title, why) {
  const pane = made("section", "pane");
  const head = made("header");
  head.append(made("h4", "", title));
  pane.append(head, made("p", "absent", "No text: " + why + "."));
  return { pane, title, elements: [], own: [], through: [], source: false };
}

/** The pane of the source: a list of lines to walk through by keyboard. */
function sourcePane(title, python, anchors, hue) {
  const own = python.split("\n").map((_, at) => (anchors[at] ? [anchors[at]] : []));
  const view = textPane(title, python, "python", own, own.map(() => []), hue);
  view.source = true;
  view.code.removeAttribute("tabindex");
  view.code.setAttribute("role", "listbox");
  view.elements.forEach((line, at) => {
    line.setAttribute("role", "option");
    line.setAttribute("aria-selected", "false");
    line.tabIndex = at ? -1 : 0;
  });
  return view;
}

const count = (number, word) => number.toLocaleString("en") + " " + word + (number === 1 ? "" : "s");

/** Light in all views what belongs to these lines of Python; scroll to it in all but `from`. */
function light(views, wanted, from) {
  const set = new Set(wanted);
  const said = [];
  for (const view of views) {
    const lit = [];
    view.elements.forEach((line, at) => {
      const hit = view.own[at].some((number) => set.has(number));
      const near = !hit && view.through[at].some((number) => set.has(number));
      line.classList.toggle("lit", hit);
      line.classList.toggle("soft", near);
      if (view.source) line.setAttribute("aria-selected", String(hit));
      if (hit) lit.push(at);
    });
    mark(view, lit);
    if (view !== from) reveal(view, lit);
    if (!view.source && view.elements.length) said.push(count(lit.length, "line") + " of " + view.title);
  }
  return said.join(", ");
}

function mark(view, lit) {
  if (!view.ruler) return;
  const all = view.code.scrollHeight > view.code.clientHeight ? view.elements.length : 0;
  const marks = [];
  for (let at = 0; all && at < lit.length; ) {
    let end = at + 1;
    while (end < lit.length && lit[end] === lit[end - 1] + 1) end++;
    const bar = made("i");
    bar.style.top = (100 * lit[at]) / all + "%";
    bar.style.height = (100 * (end - at)) / all + "%";
    marks.push(bar);
    at = end;
  }
  view.ruler.replaceChildren(...marks.slice(0, 400));
}

const still = matchMedia("(prefers-reduced-motion: reduce)");

function reveal(view, lit) {
  if (!lit.length || !view.code) return;
  const top = view.code.scrollTop;
  const bottom = top + view.code.clientHeight;
  const height = view.elements[0].offsetHeight;
  const places = lit.map((at) => at * height);
  if (places.some((place) => place >= top && place + height <= bottom)) return;
  const wanted = Math.max(0, places[0] - view.code.clientHeight / 3);
  view.code.scrollTo({ top: wanted, behavior: still.matches ? "auto" : "smooth" });
}

/** Start a text where the first line is that comes from the source. */
function settle(view) {
  const first = view.own.findIndex((lines) => lines.length);
  if (!view.code || view.source || first < 0) return;
  view.code.scrollTop = Math.max(0, (first - 2) * view.elements[0].offsetHeight);
}
