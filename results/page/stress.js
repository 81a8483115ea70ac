// What rows lose when sight or sound is taken away or spoiled.
const stressOf = (row) => DATA.stress[row] ?? null;
const lost = ([mean, low, high]) => `${mean.toFixed(2)} ± ${((high - low) / 2).toFixed(2)}`;
const percents = (shares) => shares.map((share) => share.toFixed(1)).join(" / ");

function drawStressPanel(rows) {
  const measured = rows.filter((row) => stressOf(row));
  at("stress-panel").hidden = !measured.length;
  if (!measured.length) return;
  const families = Object.keys(DATA.stress_families).filter((family) => measured.some((row) => stressOf(row).families[family]));
  const several = titles().length > 1, idle = measured.some((row) => stressOf(row).verdicts.length);
  const header = ["row", ...(idle ? ["verdict"] : []), ...(several ? ["board"] : []), "as they are", ...families.map((family) => DATA.stress_families[family]), "µ sound / sight / either"];
  const table = simpleTable(header, measured.map((row) => {
    const own = stressOf(row);
    return [name(row), ...(idle ? [own.verdicts.join("; ")] : []), ...(several ? [boardTitle(row)] : []), own.clean.toFixed(2),
      ...families.map((family) => (own.families[family] ? lost(own.families[family]) : UNKNOWN)), own.confusion ? percents(own.confusion) : UNKNOWN];
  }));
  at("stress-table").replaceChildren(table);
}

function stress(row) {
  const own = stressOf(row);
  if (!own) return [];
  const parts = [element("h3", "Without sight or sound, or with either spoiled"),
    element("p", `Clips as they are: ${own.clean.toFixed(2)} over ${own.seeds} seed${own.seeds === 1 ? "" : "s"}.`)];
  if (own.verdicts.length) parts.push(element("p", `This row ${own.verdicts.join(" and ")}: no score of any item changes with it.`, { class: "warning" }));
  parts.push(element("p", "The score from clips as they are to the strongest level of each family:", { class: "note" }),
    element("div", null, { id: "stress-levels", class: "curve" }),
    simpleTable(["condition", "level", "score (%)", "drop (points)", "95 %", "p"], own.conditions.map(([family, level, score, drop, low, high, p]) =>
      [DATA.stress_families[family], level, score.toFixed(2), drop.toFixed(2), `${low.toFixed(2)} to ${high.toFixed(2)}`, pText(p)])));
  if (own.confusion) {
    const [audio, visual, either] = own.confusion.map((share) => share.toFixed(2));
    parts.push(element("p", `Modality confusion: ${audio} % of the items are right with sound alone and wrong with both, ${visual} % with sight alone, ${either} % with either.`));
  }
  const why = Object.entries(own.left_out).map(([family, reason]) => `${DATA.stress_families[family]}: left out, ${reason}.`);
  if (why.length) parts.push(list(why));
  return parts;
}

// The score over the levels of each family, mildest first.
async function drawStress(row) {
  const own = stressOf(row);
  const library = own && (await plotly().catch(() => null));
  if (!library || !at("stress-levels")) return;
  const families = [...new Set(own.conditions.filter(([, level]) => level).map(([family]) => family))];
  const traces = families.map((family, index) => {
    const levels = own.conditions.filter(([other]) => other === family);
    return { type: "scatter", mode: "lines+markers", name: DATA.stress_families[family], line: { color: COLOURS[index % COLOURS.length] },
      x: [0, ...levels.map((_, place) => place + 1)], y: [own.clean, ...levels.map((one) => one[2])],
      text: ["as they are", ...levels.map((one) => one[1])], hovertemplate: "%{text}: %{y:.2f}<extra></extra>" };
  });
  await library.newPlot("stress-levels", traces, layout({
    xaxis: { dtick: 1, rangemode: "tozero" }, yaxis: { title: { text: value(row, "metric").replaceAll("_", " ") } }, showlegend: true,
  }), CONFIG);
}
