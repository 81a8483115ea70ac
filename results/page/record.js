// One row in full: every column, its breakdown, its learning curves, what it ran with.
let openedFrom = null;

function openRecord(row) {
  const dialog = document.getElementById("record");
  openedFrom = document.activeElement;
  document.getElementById("record-title").textContent = `${value(row, "short_backbone")} · ${value(row, "short_adapter")} · ${boardTitle(row)}`;
  document.getElementById("record-body").replaceChildren(
    ...inFull(row), ...sure(row), ...breakdown(row), ...errors(row), ...gallery(row), ...stress(row), ...curves(row), ...failures(row), ...facts(row), ...asked(row));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  drawCurves(row);
  drawErrors(row);
  drawStress(row);
}

function closeRecord() {
  document.getElementById("record").close();
  openedFrom?.focus();
}

// What the short names stand for.
function inFull(row) {
  const made = element("dl");
  for (const [title, short, full] of [["backbone", "short_backbone", "backbone"], ["adapter", "short_adapter", "adapter"], ["task", "task", "task_in_full"]]) {
    if (value(row, short) !== value(row, full)) made.append(element("dt", title), element("dd", value(row, full)));
  }
  return made.children.length ? [made] : [];
}

// How sure its place is, in words, and the command that compares it.
function sure(row) {
  if (isPublished(row)) return [element("p", `Published, not measured here: ${value(row, "source")}. Protocol: ${value(row, "protocol")}.`)];
  const parts = [`${plusMinus(value(row, "mean"), value(row, "interval"))} over ${value(row, "seeds")} seed${value(row, "seeds") === 1 ? "" : "s"}.`];
  if (value(row, "seeds") === 1) parts.push("One seed: the noise between seeds is unknown, often one to two points.");
  const points = value(row, "behind_best");
  if (points > 0) {
    parts.push(`Behind the best of its board by ${behind(row)}.`);
    const tied = value(row, "tied_with_best");
    parts.push(tied === null ? "Too few shared seeds to call it worse." : tied ? "It cannot be told apart from the best." : "It is worse than the best.");
  } else if (points === 0) parts.push("The best of its board.");
  if (value(row, "letters")) parts.push(`Groups ${value(row, "letters")}: it cannot be told apart from rows with one of these letters. Rank ${between(row)} in 95 % of the resamples.`);
  if (value(row, "probe")) parts.push(`The gain is over ${value(row, "probe")}.`);
  if (levels(row)) parts.push(`Without learning: ${levels(row)}.`);
  const best = ROWS.find((other) => boardOf(other) === boardOf(row) && value(other, "behind_best") === 0);
  const made = [element("p", parts.join(" "))];
  if (best !== undefined && best !== row) made.push(command(row, best));
  return made;
}

function command(row, other) {
  const made = element("p", "Compare them, by kind of item: ");
  const output = DATA.command.match(/--output (\S+)/)?.[1];
  const words = `python -m benchmark compare ${quoted(name(row))} ${quoted(name(other))}${output ? ` --output ${output}` : ""}`;
  made.append(element("code", words));
  return made;
}

function breakdown(row) {
  const kinds = DATA.breakdowns[row];
  if (!kinds.length) return [];
  const grid = element("div", null, { class: "kinds" });
  for (const [kind, items, score] of kinds) {
    const track = element("div", null, { class: "track" });
    const fill = element("div", null, { class: "fill" });
    fill.style.width = `${score}%`;
    track.append(fill);
    grid.append(element("span", kind.replaceAll("_", " ")), track, element("span", `${score.toFixed(1)} % of ${items}`));
  }
  return [element("h3", "By kind"), grid];
}

function curves(row) {
  if (!DATA.curves[row].some(([, , points]) => points.length)) return [];
  return [element("h3", "Learning curves"), element("div", null, { id: "curve-score", class: "curve" }), element("div", null, { id: "curve-loss", class: "curve" })];
}

async function drawCurves(row) {
  const target = document.getElementById("curve-score");
  if (!target) return;
  const library = await plotly().catch(() => null);
  if (!library) return;
  const draw = (id, place, title) => library.newPlot(id, DATA.curves[row].map(([seed, best, points], index) => ({
    type: "scatter", mode: "lines+markers", name: `seed ${seed}`, line: { color: COLOURS[index % COLOURS.length] },
    x: points.map((point) => point[0]), y: points.map((point) => point[place]),
    marker: { size: points.map((point) => (point[0] === best ? 11 : 6)) },
  })), layout({ xaxis: { title: { text: "epoch" }, dtick: tick(row) }, yaxis: { title: { text: title } }, showlegend: DATA.curves[row].length > 1 }), CONFIG);
  await draw("curve-score", 2, `validation ${value(row, "metric").replaceAll("_", " ")}`);
  await draw("curve-loss", 1, "training loss");
}

function tick(row) {
  const longest = Math.max(...DATA.curves[row].map(([, , points]) => points.length));
  return Math.max(1, Math.ceil(longest / 10));
}

const failures = (row) => (DATA.failures[row] ? [element("h3", "Failed seeds"), list(DATA.failures[row])] : []);

function list(lines) {
  const made = element("ul");
  made.append(...lines.map((text) => element("li", text)));
  return made;
}

function facts(row) {
  const made = element("dl");
  for (const column of DATA.columns) {
    const text = exact(row, column.name);
    if (text !== "") made.append(element("dt", column.title, { title: column.meaning }), element("dd", text));
  }
  return [element("h3", "Record"), made];
}

function asked(row) {
  const made = [];
  for (const [title, places, known] of [["Recipe", DATA.recipes, DATA.known_recipes], ["Ran on", DATA.environments, DATA.known_environments]]) {
    const content = known[places[row]];
    if (!content || !Object.keys(content).length) continue;
    const list = element("dl");
    for (const [key, own] of Object.entries(content)) {
      list.append(element("dt", key), element("dd", typeof own === "object" ? JSON.stringify(own) : String(own)));
    }
    made.push(element("h3", title), list);
  }
  return made;
}
