// The left ventricle's area over the beat, of both hearts, with a line where the beat is now.

const LEFT = 46;
const RIGHT = 10;
const TOP = 10;
const BOTTOM = 24;

/** Draw curves [{color, curve, beatMs}] and the phase. */
export function drawCurves(canvas, curves, phase) {
  const style = getComputedStyle(document.documentElement);
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = "12px system-ui, 'DejaVu Sans', sans-serif";
  const quiet = style.getPropertyValue("--quiet");

  const areas = curves.flatMap(({ curve }) => curve.areas.filter((area) => area !== null));
  if (!areas.length) return;
  const most = Math.max(...areas);
  const step = niceStep(most);
  const top = Math.ceil(most / step) * step;
  const x = (part) => LEFT + part * (width - LEFT - RIGHT);
  const y = (area) => TOP + (1 - area / top) * (height - TOP - BOTTOM);

  context.fillStyle = quiet;
  context.strokeStyle = style.getPropertyValue("--line");
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (let area = 0; area <= top + step / 2; area += step) {
    line(context, [[x(0), y(area)], [x(1), y(area)]]);
    context.fillText(String(Math.round(area)), LEFT - 6, y(area));
  }
  context.textAlign = "left";
  context.textBaseline = "bottom";
  const beatMs = curves[0].beatMs;
  context.fillText("0 ms", x(0), height - 4);
  context.textAlign = "right";
  context.fillText(`${Math.round(beatMs)} ms`, x(1), height - 4);

  for (const { color, curve } of curves) {
    context.strokeStyle = style.getPropertyValue(color);
    context.lineWidth = 2;
    const points = curve.frames
      .map((frame, i) => [frame / curve.count, curve.areas[i]])
      .filter(([, area]) => area !== null);
    if (points.length) points.push([1, points[0][1]]); // the beat begins again
    line(context, points.map(([part, area]) => [x(part), y(area)]));
  }
  context.lineWidth = 1;
  context.strokeStyle = style.getPropertyValue("--text");
  line(context, [[x(phase), TOP], [x(phase), height - BOTTOM]]);
}

/** The phase that a place on the canvas means. */
export function phaseAt(canvas, offsetX) {
  return (offsetX - LEFT) / (canvas.clientWidth - LEFT - RIGHT);
}

function niceStep(most) {
  const rough = most / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough);
}

function line(context, points) {
  context.beginPath();
  points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.stroke();
}
