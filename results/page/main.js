// Filters, the summary at the top, the tables at the end, and what keys and clicks do.
const at = (id) => document.getElementById(id);

function options(select, values, all) {
  select.replaceChildren(...(all ? [element("option", all, { value: ALL })] : []),
    ...values.map((text) => element("option", text || "unknown", { value: text })));
}

const distinct = (column) => [...new Set(ROWS.filter((row) => !isPublished(row)).map((row) => value(row, column)))].sort();

const titles = () => [...new Set(ROWS.filter((row) => !isPublished(row)).map(boardTitle))].sort();

function setUp() {
  options(at("filter-task"), titles(), "all boards");
  options(at("filter-data"), distinct("data"), "all data");
  options(at("filter-backbone"), distinct("short_backbone"), "all backbones");
  options(at("filter-adapter"), distinct("short_adapter"), "all adapters");
  // Scores of different tasks have different scales: the first look is at one task.
  at("filter-task").value = state.task = titles()[0] ?? ALL;
  for (const id of ["axis-x", "axis-y"]) {
    at(id).replaceChildren(...AXES.map((column) => element("option", column.title, { value: column.name, title: column.meaning })));
  }
  at("axis-x").value = state.x;
  at("axis-y").value = state.y;
  if (DATA.labels.length) {
    at("labels").textContent = `All rows: ${DATA.labels.join(", ")}`;
    at("labels").hidden = false;
  }
  if (!DATA.values.kind.includes("published")) at("published").closest("label").hidden = true;
  more();
  listen();
  redraw();
}

function redraw() {
  const rows = sorted(chosen());
  drawTable(rows);
  drawStressPanel(rows);
  summarise(rows);
  return drawPlot(rows);
}

function summarise(rows) {
  const measured = rows.filter((row) => !isPublished(row) && value(row, "mean") !== null);
  const boards = [...new Set(measured.map(boardOf))];
  if (!measured.length) return at("summary").replaceChildren(element("p", COUNT ? "No row with a score is left by these filters." : "No runs yet."));
  if (boards.length > 4) return at("summary").replaceChildren(element("p", `${measured.length} rows on ${boards.length} boards; choose a task for a summary.`));
  at("summary").replaceChildren(...boards.flatMap((board) => boardSummary(measured.filter((row) => boardOf(row) === board), boards.length > 1)));
}

function boardSummary(rows, named) {
  const best = rows.reduce((a, b) => (value(b, "mean") > value(a, "mean") ? b : a));
  const lines = [];
  const sentence = element("p", named ? `${boardTitle(best)}: ` : "");
  sentence.append("Highest: ", element("strong", name(best)),
    ` with ${plusMinus(value(best, "mean"), value(best, "interval"))} (${COLUMN.mean.title}, ${value(best, "seeds")} seed${value(best, "seeds") === 1 ? "" : "s"}), ${count(value(best, "trainable_parameters"))} trainable parameters.`);
  lines.push(sentence);
  if (levels(best)) lines.push(element("p", `Without learning: ${levels(best)}.`, { class: "note" }));
  if (value(best, "behind_best") > 0) {
    lines.push(element("p", `The best of the whole board is outside of these filters; this row is behind it by ${behind(best)}.`));
    return lines;
  }
  const tied = rows.filter((row) => row !== best && value(row, "tied_with_best"));
  const unsure = rows.filter((row) => row !== best && value(row, "tied_with_best") === null);
  if (tied.length) {
    const smallest = [best, ...tied].filter((row) => value(row, "trainable_parameters") !== null)
      .reduce((a, b) => (value(b, "trainable_parameters") < value(a, "trainable_parameters") ? b : a), best);
    const text = element("p", `${tied.length} more ${tied.length === 1 ? "row" : "rows"} cannot be told apart from it; `);
    text.append(smallest === best ? "none of them is smaller." : "the smallest of these is ");
    if (smallest !== best) text.append(element("strong", name(smallest)), ` with ${count(value(smallest, "trainable_parameters"))} trainable parameters.`);
    lines.push(text);
  } else if (rows.length > 1 && !unsure.length) lines.push(element("p", "Every other row is worse than it (paired test, Holm, 5 %)."));
  if (unsure.length) lines.push(element("p", `${unsure.length} ${unsure.length === 1 ? "row shares" : "rows share"} fewer than two seeds or other items with it: whether they are worse is unknown.`));
  return lines;
}

function more() {
  const parts = [];
  if (DATA.ranks.length) {
    const tasks = Object.keys(DATA.ranks[0][3]);
    parts.push(element("h2", "Mean rank over tasks"),
      element("p", "Among the combinations that have a score on every board named; 1 is best. Those that share a letter cannot be told apart by their mean difference over the boards (Holm, 5 %).", { class: "note" }),
      simpleTable(["backbone", "adapter", "mean rank", "95 %", "groups", ...tasks], DATA.ranks.map(([b, a, mean, ranks, between, letters]) =>
        [b, a, mean.toFixed(2), between ? between.map((rank) => rank.toFixed(2)).join(" to ") : UNKNOWN, letters || UNKNOWN, ...tasks.map((task) => ranks[task])])));
  }
  if (DATA.volumes.length) {
    parts.push(element("h2", "Size sweeps"), element("p", "Hypervolume of (parameters saved, score gained); the linear probe is 0.", { class: "note" }),
      simpleTable(["task", "backbone", "family", "sizes", "hypervolume"], DATA.volumes));
  }
  if (DATA.notes.length) parts.push(element("h2", "Notes"), list(DATA.notes));
  if (DATA.apart.length) parts.push(element("h2", "Kept in rows of their own, and why"), list(DATA.apart));
  if (DATA.unreadable.length) parts.push(element("h2", "Files that could not be read"), list(DATA.unreadable));
  at("more").replaceChildren(...parts);
}

function simpleTable(header, lines) {
  const table = element("table"), head = element("tr"), scroll = element("div", null, { class: "scroll" });
  head.append(...header.map((text) => element("th", text, { scope: "col" })));
  const shown = lines.slice(0, 200);
  table.append(head, ...shown.map((cells) => {
    const row = element("tr");
    row.append(...cells.map((cell) => element("td", cell, typeof cell === "number" ? { class: "number" } : {})));
    return row;
  }));
  scroll.append(table);
  return scroll;
}

function listen() {
  at("filters").addEventListener("submit", (event) => event.preventDefault());
  for (const [id, part] of [["task", "task"], ["data", "data"], ["backbone", "short_backbone"], ["adapter", "short_adapter"]]) {
    at(`filter-${id}`).addEventListener("change", (event) => change({ [part]: event.target.value }));
  }
  let typing = 0;
  const soon = (action) => { clearTimeout(typing); typing = setTimeout(action, 150); };
  at("filter-text").addEventListener("input", (event) => soon(() => change({ text: event.target.value })));
  for (const [id, part] of [["budget-parameters", "parameters"], ["budget-memory", "memory"]]) {
    at(id).addEventListener("input", (event) => {
      const budget = readCount(event.target.value);
      event.target.setCustomValidity(Number.isNaN(budget) ? "write 50k, 1.5M or 50000" : "");
      if (!event.target.reportValidity()) return;
      soon(() => change({ [part]: budget }));
    });
  }
  at("published").addEventListener("change", (event) => change({ published: event.target.checked }));
  at("filters").addEventListener("reset", () => setTimeout(() => {
    at("filter-task").value = titles()[0] ?? ALL;
    change({ task: at("filter-task").value, data: ALL, short_backbone: ALL, short_adapter: ALL, text: "", published: false, parameters: null, memory: null, sort: "" });
  }));
  at("axis-x").addEventListener("change", (event) => change({ x: event.target.value }));
  at("axis-y").addEventListener("change", (event) => change({ y: event.target.value }));
  at("all-columns").addEventListener("change", (event) => { state.all = event.target.checked; redrawTable(); });
  at("previous").addEventListener("click", () => { state.page -= 1; redrawTable(); });
  at("next").addEventListener("click", () => { state.page += 1; redrawTable(); });
  at("close").addEventListener("click", closeRecord);
  at("record").addEventListener("click", (event) => { if (event.target === at("record")) closeRecord(); });
  at("theme").addEventListener("click", () => setTheme(isDark() ? "light" : "dark"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTheme(null));
  const table = at("table");
  table.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-column]"), row = event.target.closest("tr[data-row]");
    if (button) sortBy(button.dataset.column);
    else if (row) openRecord(Number(row.dataset.row));
  });
  table.addEventListener("keydown", (event) => {
    const row = event.target.closest("tr[data-row]");
    if (!row) return;
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); openRecord(Number(row.dataset.row)); }
    const beside = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling }[event.key];
    if (beside) { event.preventDefault(); beside.focus(); }
  });
  setThemeButton();
}

function change(changes) {
  Object.assign(state, changes, { page: 0 });
  redraw();
}

const isDark = () => (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  setThemeButton();
  redraw();
}

function setThemeButton() {
  at("theme").textContent = isDark() ? "Light" : "Dark";
}

setUp();
