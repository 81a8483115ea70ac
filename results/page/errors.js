// What a row gets wrong: confusion, precision and recall by class, calibration, and the worst items.
const errorsOf = (row) => DATA.errors[row] ?? null;
const percent = (number) => (number === null ? UNKNOWN : number.toFixed(1));

function errors(row) {
  const found = errorsOf(row);
  if (!found) return [];
  const parts = [element("h3", "Errors")];
  if (found.confusion) parts.push(element("div", null, { id: "confusion", class: "confusion" }));
  if (found.reliability.length) {
    parts.push(element("p", `Expected calibration error: ${found.calibration_error.toFixed(2)} points (15 bins of confidence).`),
      element("div", null, { id: "reliability", class: "curve" }));
  }
  parts.push(element("h4", "By class, all seeds together"), simpleTable(["class", "precision (%)", "recall (%)", "items"],
    found.classes.map(([name, precision, recall, items]) => [name, percent(precision), percent(recall), items])));
  if (found.worst.length) {
    parts.push(element("h4", "Items whose truth got the least probability"), simpleTable(["item", "truth", "predicted", "probability of the truth (%)"],
      found.worst.map(([item, truth, predicted, probability]) => [item, truth, predicted, percent(probability)])));
  }
  return parts;
}

async function drawErrors(row) {
  const found = errorsOf(row);
  const library = found && (await plotly().catch(() => null));
  if (!library) return;
  const names = found.classes.map(([name]) => plain(name.length > 24 ? `${name.slice(0, 23)}…` : name));
  if (found.confusion) await drawConfusion(library, found, names);
  if (found.reliability.length) await drawReliability(library, found);
}

// Shares of each true class, so that rare classes are seen as well as frequent ones.
function drawConfusion(library, found, names) {
  const shares = found.confusion.map((row) => {
    const sum = row.reduce((a, b) => a + b, 0);
    return row.map((count) => (sum ? (100 * count) / sum : 0));
  });
  // Numbers by place: two classes whose names were cut alike stay two.
  const places = names.map((_, place) => place);
  const ticks = { tickmode: "array", tickvals: places, ticktext: names };
  return library.newPlot("confusion", [{
    type: "heatmap", x: places, y: places, z: shares, zmin: 0, zmax: 100, colorscale: [[0, style("--panel")], [1, "#0072B2"]],
    text: found.confusion.map((row, truth) => row.map((count, said) => `${names[truth]} taken for ${names[said]}: ${count}`)),
    hovertemplate: "%{text} (%{z:.1f} %)<extra></extra>", colorbar: { title: { text: "% of truth" }, thickness: 12 },
  }], layout({ xaxis: { title: { text: "predicted" }, ...ticks }, yaxis: { title: { text: "truth" }, autorange: "reversed", ...ticks } }), CONFIG);
}

function drawReliability(library, found) {
  const most = Math.max(...found.reliability.map(([, , items]) => items));
  return library.newPlot("reliability", [
    { type: "scatter", mode: "lines", x: [0, 100], y: [0, 100], line: { color: style("--soft"), dash: "dot", width: 1 }, name: "calibrated", hoverinfo: "skip" },
    { type: "scatter", mode: "lines+markers", name: "this row", x: found.reliability.map(([confidence]) => confidence), y: found.reliability.map(([, accuracy]) => accuracy),
      text: found.reliability.map(([, , items]) => `${items} items`), hovertemplate: "confidence %{x:.1f} %, right %{y:.1f} %, %{text}<extra></extra>",
      marker: { size: found.reliability.map(([, , items]) => 6 + 14 * Math.sqrt(items / most)), color: "#0072B2" }, line: { color: "#0072B2" } },
  ], layout({ xaxis: { title: { text: "confidence (%)" }, range: [0, 102] }, yaxis: { title: { text: "right (%)" }, range: [0, 104] } }), CONFIG);
}
