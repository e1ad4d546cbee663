// A line over a chart of shares that follows the pointer or the arrow keys, with the figures of the bucket below it.
// Everything is delegated: a live page replaces its charts.
let shown = null;  // the chart, its figures, the index of the bucket, and the elements over it

const hide = () => {
  shown?.line.remove();
  shown?.tip.remove();
  shown = null;
};

const percent = (share) => `${share > 0 && share < 0.01 ? (100 * share).toFixed(1) : Math.round(100 * share)}%`;

const show = (chart, index) => {
  const figures = shown?.chart === chart ? shown.figures : JSON.parse(chart.dataset.cursor);
  const bucket = figures.buckets[index];
  if (!bucket || (shown?.chart === chart && shown.index === index)) return;
  hide();
  const middle = (bucket[0] + figures.seconds / 2 - figures.since) / (figures.until - figures.since);
  const line = document.createElement("div"), tip = document.createElement("div");
  line.className = "cursor-line";
  tip.className = "cursor-tip";
  tip.setAttribute("role", "status");
  line.style.left = tip.style.left = `${100 * Math.min(Math.max(middle, 0), 1)}%`;
  if (middle > 0.6) tip.classList.add("left");
  tip.append(new Date(1000 * bucket[0]).toISOString().slice(0, 16).replace("T", " ") + " UTC");
  figures.models.forEach((model, place) => {
    const row = document.createElement("span"), colour = document.createElement("span");
    colour.className = `sw b${model.colour}`;
    row.append(colour, ` ${percent(bucket[place + 1])} ${model.name}`);
    tip.append(row);
  });
  chart.append(line, tip);
  shown = { chart, figures, index, line, tip };
};

document.addEventListener("pointermove", (event) => {
  const chart = event.target.closest("[data-cursor]");
  if (!chart) { hide(); return; }
  const figures = shown?.chart === chart ? shown.figures : JSON.parse(chart.dataset.cursor);
  const box = chart.getBoundingClientRect();
  const at = figures.since + (event.clientX - box.left) / box.width * (figures.until - figures.since) - figures.seconds / 2;
  const distances = figures.buckets.map(([start]) => Math.abs(start - at));
  show(chart, distances.indexOf(Math.min(...distances)));
});
document.addEventListener("keydown", (event) => {
  const chart = event.target.closest("[data-cursor]"), step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (event.key === "Escape") hide();
  if (!chart || !step) return;
  event.preventDefault();
  const count = JSON.parse(chart.dataset.cursor).buckets.length;
  show(chart, Math.min(Math.max(shown?.chart === chart ? shown.index + step : count - 1, 0), count - 1));
});
document.addEventListener("focusout", hide);
