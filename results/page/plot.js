// The trade-off plot of any two columns, with the front of each board.
const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C564B", "#9467BD"];
const SYMBOLS = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "x", "star", "pentagon", "hexagon"];
const PROBE = "#8a8f96";
const MANY = 1500;
const PHONE_LEGEND = 6;
const AXES = DATA.columns.filter((column) => column.better);

let plotlyReady = null;

// The library is unpacked once the table stands, so that a phone shows the table first.
function plotly() {
  plotlyReady ??= (async () => {
    const packed = Uint8Array.from(atob(document.getElementById("plotly").textContent), (char) => char.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = element("script", await new Response(stream).text());
    document.head.append(script);
    return window.Plotly;
  })();
  return plotlyReady;
}

const adapters = [...new Set(ROWS.filter((row) => !isPublished(row)).map((row) => value(row, "short_adapter")))].sort();
const families = [...new Set(adapters.map(family))];
// Every size gets a colour while there are colours; then a family shares one.
const group = (row) => (adapters.length > COLOURS.length ? family(value(row, "short_adapter")) : value(row, "short_adapter"));
const groups = (adapters.length > COLOURS.length ? families : adapters).filter((text) => family(text) !== "linear_probe");
const backbones = [...new Set(ROWS.filter((row) => !isPublished(row)).map((row) => value(row, "short_backbone")))].sort();

const colour = (text) => (family(text) === "linear_probe" ? PROBE : COLOURS[groups.indexOf(text) % COLOURS.length]);
const symbol = (row) => SYMBOLS[backbones.indexOf(value(row, "short_backbone")) % SYMBOLS.length];

function style(property) {
  return getComputedStyle(document.documentElement).getPropertyValue(property).trim();
}

function layout(more = {}) {
  const axis = { gridcolor: style("--grid"), linecolor: style("--line"), zeroline: false, automargin: true };
  const { xaxis, yaxis, ...rest } = more;
  return {
    paper_bgcolor: style("--ground"), plot_bgcolor: style("--ground"), font: { color: style("--ink"), size: 12 },
    margin: { l: 55, r: 10, t: 30, b: 45 }, hoverlabel: { align: "left" }, legend: { orientation: "h", y: -0.2 },
    xaxis: { ...axis, ...xaxis }, yaxis: { ...axis, ...yaxis }, ...rest,
  };
}

const CONFIG = {
  responsive: true, displaylogo: false, displayModeBar: !matchMedia("(pointer: coarse)").matches,
  modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
};

// plotly reads a little markup in hover text; a record's text must not be taken for it.
const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const FEW = ["short_backbone", "short_adapter", "mean", "std", "seeds", "trainable_parameters", "peak_memory_mb"].map((name) => COLUMN[name]);

function hoverText(row, many) {
  const lines = (many ? FEW : DATA.columns)
    .filter(({ name }) => !["", null].includes(value(row, name)) && !["kind"].includes(name))
    .map((column) => `${plain(column.title)}: ${plain(exact(row, column.name)).slice(0, 90)}`);
  return lines.join("<br>");
}

// Rows that no other of their board beats on both axes; equal rows stay together.
function front(rows) {
  const sign = (column) => (COLUMN[column].better === "high" ? 1 : -1);
  const points = rows
    .map((row) => ({ row, x: sign(state.x) * value(row, state.x), y: sign(state.y) * value(row, state.y) }))
    .sort((a, b) => b.x - a.x || b.y - a.y);
  const found = [];
  let best = -Infinity, here = null;
  for (const point of points) {
    if (point.y > best || (here && point.x === here.x && point.y === here.y)) {
      found.push(point.row);
      if (point.y > best) here = point;
      best = Math.max(best, point.y);
    }
  }
  return found;
}

function into(groups, key, row) {
  if (!groups.has(key)) groups.set(key, []);
  groups.get(key).push(row);
}

function frontsOf(rows) {
  const boards = new Map();
  for (const row of rows) {
    if (isPublished(row)) continue;
    into(boards, boardOf(row), row);
  }
  return [...boards.values()].map(front);
}

function points(rows, label, marker, many) {
  // A single seed's interval lacks the noise between seeds: beside others it would look the surest.
  const bars = state.y === "mean" && !many;
  return {
    type: "scatter", mode: "markers", name: label.length > 40 ? `${label.slice(0, 40)}…` : label,
    x: rows.map((row) => value(row, state.x)), y: rows.map((row) => value(row, state.y)),
    customdata: rows, text: rows.map((row) => hoverText(row, many)), hovertemplate: "%{text}<extra></extra>",
    marker: { size: many ? 6 : 10, opacity: 0.9, line: { width: 1, color: style("--ground") }, ...marker },
    ...(bars ? { error_y: { type: "data", array: rows.map((row) => (value(row, "seeds") > 1 ? value(row, "interval") ?? 0 : 0)), thickness: 1, width: 3 } } : {}),
  };
}

function traces(rows) {
  const many = rows.length > MANY;
  const measured = rows.filter((row) => !isPublished(row));
  const byGroup = new Map();
  for (const row of measured) into(byGroup, group(row), row);
  const drawn = [...byGroup.keys()].sort().map((label) =>
    points(byGroup.get(label), plain(label), { color: colour(label), symbol: byGroup.get(label).map(symbol) }, many));
  const lines = frontsOf(measured).filter((rows) => rows.length).map((rows, index) => ({
    type: "scatter", mode: "lines", name: "front", legendgroup: "front", showlegend: index === 0, hoverinfo: "skip",
    x: rows.map((row) => value(row, state.x)), y: rows.map((row) => value(row, state.y)),
    line: { color: style("--ink"), width: 1.4, shape: "hv" },
  }));
  const published = rows.filter(isPublished);
  if (published.length) {
    drawn.push(points(published, "published, not measured here", { color: style("--soft"), symbol: "diamond-open" }, many));
  }
  const used = new Set(measured.map((row) => value(row, "short_backbone")));
  const shapes = [...used].sort().map((text) => ({
    type: "scatter", mode: "markers", name: plain(text), x: [null], y: [null], hoverinfo: "skip",
    marker: { color: style("--soft"), size: 9, symbol: SYMBOLS[backbones.indexOf(text) % SYMBOLS.length] },
  }));
  return [...lines, ...drawn, ...(shapes.length > 1 && shapes.length <= 12 ? shapes : [])];
}

// Round numbers along a log axis, as many as fit, written as the table writes them.
function ticks(rows) {
  const found = rows.map((row) => value(row, state.x));
  const low = found.reduce((a, b) => Math.min(a, b)) / 2, high = found.reduce((a, b) => Math.max(a, b)) * 2;
  const decades = Math.log10(high / low);
  const within = decades > 4 ? [1] : decades > 2.5 ? [1, 3] : [1, 2, 5];
  const values = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
    values.push(...within.map((step) => step * 10 ** power).filter((tick) => tick >= low && tick <= high));
  }
  return { tickmode: "array", tickvals: values, ticktext: values.map((tick) => (tick < 1000 ? short(tick) : count(tick).replace(".0 ", " "))) };
}

// Chance and majority of the one board that is shown, where scores are drawn; beyond the points they are told below.
function levelLines(rows) {
  const measured = rows.filter((row) => !isPublished(row));
  if (state.y !== "mean" || new Set(measured.map(boardOf)).size !== 1) return {};
  const known = ["chance", "majority"].filter((level) => value(measured[0], level) !== null);
  const line = (level) => ({ type: "line", xref: "paper", x0: 0, x1: 1, y0: value(measured[0], level), y1: value(measured[0], level),
    line: { color: "#b22222", width: 1, dash: "dot" } });
  const word = (level) => ({ xref: "paper", x: 1, xanchor: "right", y: value(measured[0], level), yanchor: "bottom", text: level,
    showarrow: false, font: { size: 10, color: "#b22222" } });
  return { shapes: known.map(line), annotations: known.map(word) };
}

async function drawPlot(rows) {
  const shown = rows.filter((row) => value(row, state.x) !== null && value(row, state.y) !== null);
  const positive = shown.every((row) => value(row, state.x) > 0);
  const note = document.getElementById("plot-note");
  const boards = new Set(shown.filter((row) => !isPublished(row)).map(boardOf)).size;
  note.textContent = [
    `${shown.length} of ${rows.length} row${rows.length === 1 ? "" : "s"} ${shown.length === 1 ? "has" : "have"} both values.`,
    boards > 1 ? `${boards} boards: each has a front of its own, and scores of different tasks have different scales.` : "",
    state.y === "mean" ? "Bars are 95 % intervals, drawn where there are several seeds." : "",
    boards === 1 && levels(shown.find((row) => !isPublished(row))) ? `Dotted: ${levels(shown.find((row) => !isPublished(row)))}.` : "",
    "Click a point for its record.",
  ].join(" ");
  const target = document.getElementById("plot");
  let library;
  try {
    library = await plotly();
  } catch (error) {
    note.textContent = "The plot needs a browser of 2023 or later; the table does not.";
    return;
  }
  const isLog = COLUMN[state.x].scale === "log" && positive && shown.length > 0;
  const drawn = traces(shown);
  await library.react(target, drawn, layout({
    xaxis: { title: { text: COLUMN[state.x].title }, type: isLog ? "log" : "linear", ...(isLog ? ticks(shown) : {}) },
    yaxis: { title: { text: COLUMN[state.y].title } }, hovermode: "closest", ...levelLines(shown),
    // On a phone a long legend would take the place of the plot; a point tells what it is.
    showlegend: innerWidth >= 700 || drawn.length <= PHONE_LEGEND,
  }), CONFIG);
  target.removeAllListeners?.("plotly_click");
  target.on("plotly_click", (event) => {
    const row = event.points[0]?.customdata;
    if (row !== undefined) openRecord(row);
  });
}
