// Draws a picture and the names of what is on it.

const GROUND = "#101317";
const FONT = "600 13px system-ui, sans-serif";
const HIGH = 20;

/** Makes a canvas as fine as the screen; returns a context that counts in CSS pixels. */
export function fitted(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const [fineWidth, fineHeight] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== fineWidth || canvas.height !== fineHeight) Object.assign(canvas, { width: fineWidth, height: fineHeight });
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { context, width, height };
}

/** Where a picture lies on a canvas: as large as it fits, in the middle. */
export function place(size, width, height) {
  const scale = Math.min(width / size[0], height / size[1]);
  return { scale, left: (width - scale * size[0]) / 2, top: (height - scale * size[1]) / 2 };
}

/**
 * Draws a picture with a tag an object.
 * @param names by id; an object without one is shown by its number
 * @param marked id of an object whose box is drawn
 */
export function paint(canvas, shown, names = new Map(), marked = null) {
  const { context, width, height } = fitted(canvas);
  context.clearRect(0, 0, width, height);
  const size = shown.size ?? [shown.image.width, shown.image.height];
  const { scale, left, top } = place(size, width, height);
  context.drawImage(shown.image, left, top, scale * size[0], scale * size[1]);
  const taken = [];
  for (const [id, x0, y0, x1, y1, colour] of shown.objects ?? []) {
    const box = [left + scale * x0, top + scale * y0, left + scale * x1, top + scale * y1];
    if (id === marked) outline(context, box, colour);
    tag(context, box, titled(id, names.get(id)), colour, taken, width, height);
  }
}

/** An object's number and name; the number alone tells nothing more where the name is made of it. */
export function titled(id, name) {
  return name === undefined ? `${id}` : name === `object ${id}` ? name : `${id} ${name}`;
}

function outline(context, [x0, y0, x1, y1], colour) {
  for (const [style, wide] of [[GROUND, 5], [colour, 2]]) {
    context.strokeStyle = style;
    context.lineWidth = wide;
    context.strokeRect(x0, y0, x1 - x0, y1 - y0);
  }
}

/** A name above its object, or below other names that are there already. */
function tag(context, [x0, y0, x1], text, colour, taken, width, height) {
  context.font = FONT;
  const shortened = text.length > 26 ? `${text.slice(0, 25)}…` : text;
  const wide = context.measureText(shortened).width + 12;
  const x = Math.max(2, Math.min((x0 + x1 - wide) / 2, width - wide - 2));
  let y = Math.max(2, Math.min(y0 - HIGH - 2, height - HIGH - 2));
  const covers = (other) => x < other.x + other.wide && other.x < x + wide && y < other.y + HIGH && other.y < y + HIGH;
  for (let other = taken.find(covers); other && y < height - HIGH; other = taken.find(covers)) y = other.y + HIGH + 1;
  taken.push({ x, y, wide });
  context.fillStyle = GROUND;
  context.fillRect(x - 1, y - 1, wide + 2, HIGH + 2);
  context.fillStyle = colour;
  context.fillRect(x, y, wide, HIGH);
  context.fillStyle = GROUND;
  context.textBaseline = "middle";
  context.fillText(shortened, x + 6, y + HIGH / 2 + 1);
}

/** The cross that says where the keyboard points, and the box or click under way. */
export function paintPointing(canvas, { cross, box, size }) {
  const { context, width, height } = fitted(canvas);
  context.clearRect(0, 0, width, height);
  if (!size) return;
  const { scale, left, top } = place(size, width, height);
  const at = ([x, y]) => [left + scale * x, top + scale * y];
  if (cross) {
    const [x, y] = at(cross);
    twice(context, [], () => {
      context.moveTo(x, 0);
      context.lineTo(x, height);
      context.moveTo(0, y);
      context.lineTo(width, y);
      context.rect(x - 5, y - 5, 10, 10);
    });
  }
  if (box) {
    const [[x0, y0], [x1, y1]] = box.map(at);
    twice(context, [6, 4], () => context.rect(x0, y0, x1 - x0, y1 - y0));
  }
}

/** Draws lines that stand out on any ground: dark below, white above. */
function twice(context, dash, draw) {
  for (const [style, wide] of [[GROUND, 4], ["#fff", 1.5]]) {
    context.beginPath();
    draw();
    context.setLineDash(wide > 2 ? [] : dash);
    context.strokeStyle = style;
    context.lineWidth = wide;
    context.stroke();
  }
  context.setLineDash([]);
}
