// The table: one page of it at a time, so that ten thousand rows cost no more than fifty.
const PER_PAGE = 50;

const MAIN = [
  ["", (row) => marks(row), "pareto", ""],
  ["board", (row) => boardTitle(row), "task", "text wide"],
  ["backbone", (row) => value(row, "short_backbone"), "short_backbone", "text"],
  ["adapter", (row) => value(row, "short_adapter"), "short_adapter", "text adapter"],
  ["score ± 95 %", (row) => plusMinus(value(row, "mean"), value(row, "interval")), "mean", "number"],
  ["std", (row) => (value(row, "std") === null ? UNKNOWN : value(row, "std").toFixed(2)), "std", "number wide"],
  ["groups", (row) => someLetters(value(row, "letters")) || UNKNOWN, "letters", "wide"],
  ["rank", (row) => between(row), "rank_low", "number wide"],
  ["gain over probe ± 95 %", (row) => plusMinus(value(row, "gain_over_linear_probe"), value(row, "gain_interval")), "gain_over_linear_probe", "number wide"],
  ["behind the best ± 95 %", (row) => behind(row), "behind_best", "number wide"],
  ["trainable", (row) => count(value(row, "trainable_parameters")), "trainable_parameters", "number"],
  ["memory (MB)", (row) => short(value(row, "peak_memory_mb")), "peak_memory_mb", "number wide"],
  ["ms per clip", (row) => short(value(row, "ms_per_clip")) + (value(row, "machine_load") > LOADED ? " (loaded)" : ""), "ms_per_clip", "number wide"],
  ["training", (row) => duration(value(row, "train_seconds")), "train_seconds", "number wide"],
  ["seeds", (row) => (isPublished(row) ? UNKNOWN : value(row, "seeds")), "seeds", "number wide"],
  ["remarks", (row) => remarks(row), "status", "text wide"],
];

// As results/table/row.py has it: threads for each core from which times are too long.
const LOADED = 1.1;

const MOST_LETTERS = 6;
const someLetters = (text) => (text.length > MOST_LETTERS + 2 ? `${text.slice(0, MOST_LETTERS)} +${text.length - MOST_LETTERS}` : text);

function between(row) {
  const [low, high] = [value(row, "rank_low"), value(row, "rank_high")];
  return low === null ? UNKNOWN : low === high ? String(low) : `${low}–${high}`;
}

function marks(row) {
  const front = value(row, "pareto") ? "★" : value(row, "pareto_within_interval") ? "(★)" : "";
  const tied = value(row, "tied_with_best") && value(row, "behind_best") > 0 ? "≈" : "";
  return [front, tied].filter(Boolean).join(" ");
}

function behind(row) {
  const points = value(row, "behind_best");
  if (points === null) return UNKNOWN;
  if (points === 0) return "best";
  const p = value(row, "behind_best_p_value");
  return plusMinus(points, value(row, "behind_best_interval")) + (p === null ? "" : ` (${pText(p)})`);
}

function remarks(row) {
  const own = value(row, "labels").split("; ").filter((label) => label && !DATA.labels.includes(label));
  const status = value(row, "status") === "completed" || isPublished(row) ? [] : [value(row, "status")];
  const more = value(row, "both_against_one");
  const against = more === null ? [] : [`${more > 0 ? "+" : ""}${plusMinus(more, value(row, "both_against_one_interval"))} over one modality`];
  return [...own, ...status, ...against, ...effort(row), ...(isPublished(row) ? [`${value(row, "protocol")}, not measured here`] : [])].join("; ");
}

// How much searching is behind a row, where any row of its board was searched for.
function effort(row) {
  const less = value(row, "less_tuned");
  if (less === null) return [];
  const trials = value(row, "trials") || 0;
  return [`${trials} trial${trials === 1 ? "" : "s"}${less ? ", less tuned than others" : ""}`];
}

const shownColumns = () => (state.all
  ? DATA.columns.map((column) => [column.name, (row) => exact(row, column.name), column.name, typeof DATA.values[column.name].find((v) => v !== null && v !== "") === "number" ? "number" : ""])
  : MAIN.filter(([, , column]) => column !== "task" || state.task === ALL || state.published));

function drawTable(rows) {
  const pages = Math.max(1, Math.ceil(rows.length / PER_PAGE));
  state.page = Math.min(state.page, pages - 1);
  drawHead();
  const body = document.querySelector("#table tbody");
  const columns = shownColumns();
  const page = rows.slice(state.page * PER_PAGE, (state.page + 1) * PER_PAGE);
  body.replaceChildren(...page.map((row) => line(row, columns)));
  const all = COUNT - (state.published ? 0 : DATA.values.kind.filter((kind) => kind === "published").length);
  document.getElementById("count").textContent = `${rows.length} of ${all} row${all === 1 ? "" : "s"}`;
  document.getElementById("page").textContent = `page ${state.page + 1} of ${pages}`;
  document.getElementById("previous").disabled = state.page === 0;
  document.getElementById("next").disabled = state.page >= pages - 1;
}

function line(row, columns) {
  const made = element("tr", null, { tabindex: "0", "data-row": row, "aria-label": `${name(row)}, ${boardTitle(row)}`, title: fullName(row) });
  if (value(row, "pareto")) made.classList.add("front");
  if (isPublished(row)) made.classList.add("published");
  made.append(...columns.map(([, text, , classes]) => element("td", text(row), classes ? { class: classes } : {})));
  return made;
}

function drawHead() {
  const cells = shownColumns().map(([title, , column, classes]) => {
    const head = element("th", null, { scope: "col", ...(classes ? { class: classes.replace("text", "") } : {}) });
    const direction = state.sort !== column ? "none" : state.ascending ? "ascending" : "descending";
    head.setAttribute("aria-sort", direction);
    const arrow = { none: "", ascending: " ▲", descending: " ▼" }[direction];
    const button = element("button", (title || "★") + arrow, { type: "button", "data-column": column, title: COLUMN[column].meaning });
    head.append(button);
    return head;
  });
  const focused = document.activeElement?.dataset?.column;
  const row = element("tr");
  row.append(...cells);
  document.querySelector("#table thead").replaceChildren(row);
  if (focused) document.querySelector(`#table thead button[data-column="${focused}"]`)?.focus();
}

function sortBy(column) {
  // First the better end, then the other, then the ranking again.
  const first = COLUMN[column].better !== "high" && !["pareto", "seeds"].includes(column);
  if (state.sort !== column) Object.assign(state, { sort: column, ascending: first });
  else if (state.ascending === first) state.ascending = !first;
  else state.sort = "";
  state.page = 0;
  redrawTable();
}

const redrawTable = () => drawTable(sorted(chosen()));
