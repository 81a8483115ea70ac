// Test clips of a row to be looked at: frames, and lanes of truth and prediction.
const PLACES = { worst: "Clips with the lowest score", median: "Clips around the median" };

function gallery(row) {
  const own = DATA.galleries[row];
  if (own === undefined || own === null) return [];
  if (own === "") return [element("h3", "Clips"), element("p", "No room on this page for more pictures; filter the records, or see gallery/ of the output.", { class: "note" })];
  const [seed, clips] = own;
  const drawn = clips.some(([, , , , truth]) => !truth.length);
  const how = drawn ? "Above what the model marks, in red; below what is so, in green." : "Lanes: truth above, prediction below; what is wrong has a frame.";
  const parts = [element("h3", `Clips of seed ${seed}`), element("p", how, { class: "note" })];
  for (const [place, title] of Object.entries(PLACES)) {
    const some = clips.filter(([, , own]) => own === place);
    if (some.length) parts.push(element("h4", title), ...some.map(clipOf));
  }
  return parts;
}

function clipOf([item, score, , jpeg, truth, predicted]) {
  const made = element("figure", null, { class: "clip" });
  const picture = element("img", null, { src: `data:image/jpeg;base64,${jpeg}`, alt: `frames of ${item}`, loading: "lazy" });
  made.append(element("figcaption", `${item}: ${score.toFixed(1)} %`), picture);
  if (truth.length) made.append(lane(truth, truth, "truth"), lane(predicted, truth, "prediction"));
  return made;
}

// Neighbours of one label are one bar.
function lane(labels, truth, what) {
  const made = element("div", null, { class: "lane", role: "img", "aria-label": `${what}: ${labels.join(", ")}` });
  made.style.gridTemplateColumns = `repeat(${labels.length}, 1fr)`;
  const same = (one, two) => labels[one] === labels[two] && (labels[one] === truth[one]) === (labels[two] === truth[two]);
  for (let begin = 0, end; begin < labels.length; begin = end) {
    for (end = begin + 1; end < labels.length && same(begin, end); end += 1);
    const bar = element("span", labels[begin].replaceAll("_", " "), { title: labels[begin] });
    bar.className = `${labels[begin] === "background" ? "nothing" : "event"}${labels[begin] === truth[begin] ? "" : " wrong"}`;
    bar.style.gridColumn = `span ${end - begin}`;
    made.append(bar);
  }
  return made;
}
