"use strict";
// Rows, what is chosen of them, and numbers as a person reads them. All text of records stays text: it is set as
// textContent, never as markup.
const DATA = JSON.parse(document.getElementById("data").textContent);
const COLUMN = Object.fromEntries(DATA.columns.map((column) => [column.name, column]));
const COUNT = DATA.values.task.length;
const ROWS = Array.from({ length: COUNT }, (_, index) => index);
const UNKNOWN = "–";
const ALL = "";

const state = {
  task: ALL, data: ALL, short_backbone: ALL, short_adapter: ALL, text: "", published: false,
  parameters: null, memory: null, sort: "", ascending: true, page: 0, all: false,
  x: "trainable_parameters", y: "mean",
};

const value = (row, name) => DATA.values[name][row];
const isPublished = (row) => value(row, "kind") === "published";
const family = (text) => text.split("(")[0];
const boardTitle = (row) => DATA.boards[row];
const boardOf = (row) => ["task", "data", "metric", "protocol"].map((name) => value(row, name)).join("\u0000");

// Lower-case text of each row, made once: with ten thousand rows a search must not build it at every key.
const HAYSTACK = ROWS.map((row) =>
  [...["task_in_full", "data", "backbone", "adapter", "short_backbone", "short_adapter", "status", "labels", "recipe", "versions",
    "source"].map((name) => value(row, name) ?? ""), boardTitle(row)].join(" ").toLowerCase());

// Published numbers stand beside every board of their task.
const TASKS_OF = {};
for (const row of ROWS) if (!isPublished(row)) (TASKS_OF[boardTitle(row)] ??= new Set()).add(family(value(row, "task")));

function chosen() {
  const words = state.text.toLowerCase().split(/\s+/).filter(Boolean);
  return ROWS.filter((row) =>
    ["data", "short_backbone", "short_adapter"].every((name) => state[name] === ALL || value(row, name) === state[name]) &&
    (state.task === ALL || (isPublished(row) ? TASKS_OF[state.task].has(value(row, "task")) : boardTitle(row) === state.task)) &&
    (state.published || !isPublished(row)) &&
    within(value(row, "trainable_parameters"), state.parameters) &&
    within(value(row, "peak_memory_mb"), state.memory) &&
    words.every((word) => HAYSTACK[row].includes(word)));
}

const within = (cost, budget) => budget === null || (cost !== null && cost <= budget);

function compareValues(a, b, ascending) {
  // What is unknown comes last, whichever way the rest is sorted.
  if (a === null || b === null || a === "" || b === "") return (a === null || a === "") - (b === null || b === "");
  const order = typeof a === "number" && typeof b === "number" ? a - b : String(a) < String(b) ? -1 : a === b ? 0 : 1;
  return ascending ? order : -order;
}

function sorted(rows) {
  // The order of the data is the ranking; sorting is stable, so equal rows keep it.
  if (!state.sort) return rows;
  return [...rows].sort((a, b) => compareValues(value(a, state.sort), value(b, state.sort), state.ascending));
}

// A budget as people write it: 50k, 1.5M, 2e6. NaN where it is none.
function readCount(text) {
  const found = text.trim().match(/^(\d+(?:\.\d+)?(?:e\d+)?)\s*([kmg]?)$/i);
  if (!text.trim()) return null;
  return found ? Number(found[1]) * { "": 1, k: 1e3, m: 1e6, g: 1e9 }[found[2].toLowerCase()] : NaN;
}

function count(number) {
  if (number === null) return UNKNOWN;
  for (const [size, letter] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (number >= size * 0.99995 && number >= 1000) return `${(number / size).toFixed(1)} ${letter}`;
  }
  return String(Math.round(number));
}

function short(number) {
  if (number === null) return UNKNOWN;
  return Math.abs(number) >= 100 ? number.toFixed(0) : String(Number(number.toPrecision(3)));
}

const plusMinus = (number, half, decimals = 2) =>
  number === null ? UNKNOWN : number.toFixed(decimals) + (half === null ? "" : ` ± ${half.toFixed(decimals)}`);

const pText = (p) => (p === null ? "" : p < 0.001 ? "p < 0.001" : `p = ${p.toFixed(3)}`);

function duration(seconds) {
  if (seconds === null) return UNKNOWN;
  if (seconds < 100) return `${seconds.toFixed(0)} s`;
  return seconds < 6000 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

// As the CSV writes it.
function exact(row, name) {
  const own = value(row, name);
  if (own === null) return "";
  if (typeof own !== "number") return String(own);
  return INTEGERS.has(name) ? String(own) : own.toFixed(COLUMN[name].decimals);
}

const INTEGERS = new Set(["seeds", "rank_low", "rank_high", "adapter_parameters", "head_parameters", "trainable_parameters", "total_parameters",
  "total_as_published", "checkpoint_bytes", "trials", "trial_epochs"]);

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  for (const [name, content] of Object.entries(attributes)) made.setAttribute(name, content);
  return made;
}

// Short, of this study; and in full, as commands take it too.
const name = (row) => `${value(row, "short_backbone")}/${value(row, "short_adapter")}`;
const fullName = (row) => `${value(row, "backbone")}/${value(row, "adapter")}`;

function levels(row) {
  const known = ["chance", "majority"].filter((level) => value(row, level) !== null);
  return known.map((level) => `${level} ${value(row, level).toFixed(2)} %`).join(", ");
}
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
