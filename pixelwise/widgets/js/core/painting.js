// What a reader does to a picture: paints over it, turns it. No DOM.
//
// Pictures are numbers from 0 to 255, row by row, the channels of a pixel together. Strokes are one short text, so
// that a link can hold them: "p6-a34f10.12.30.13.31~s9.40.20" is a brush of 6 pixels in the colour a34f10 from row 12,
// column 30 to row 13, column 31; then a grey square of 9 pixels. "r" restores what was there. Places are those of
// the picture as it was given, however it is turned.

const STROKE = /^([psr])(\d{1,3})(?:-([0-9a-f]{6}))?((?:\.\d{1,3}\.\d{1,3})+)$/;
const KINDS = { p: "paint", s: "square", r: "restore" };
const SQUARE_COLOUR = [128, 128, 128];

export const coloursOf = (hex) => [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));
export const hexOf = (rgb) => `#${rgb.map((value) => value.toString(16).padStart(2, "0")).join("")}`;

/** The strokes that a text holds; what is none is passed over. */
export const parseStrokes = (text) =>
  text.split("~").flatMap((part) => {
    const [, letter, size, colour, places] = part.match(STROKE) ?? [];
    if (!letter) return [];
    const numbers = places.slice(1).split(".").map(Number);
    const points = Array.from({ length: numbers.length / 2 }, (_, k) => [numbers[2 * k], numbers[2 * k + 1]]);
    return [{ kind: KINDS[letter], size: Math.min(Math.max(Number(size), 1), 99), colour: coloursOf(`#${colour ?? "808080"}`), points }];
  });

/** The text with one more stroke, which begins at a point. */
export function beginStroke(text, { kind, size, colour }, [row, column]) {
  const letter = Object.keys(KINDS).find((key) => KINDS[key] === kind);
  return `${text}${text && "~"}${letter}${size}${kind === "paint" ? `-${colour.slice(1)}` : ""}.${row}.${column}`;
}
/** The text whose last stroke goes on to a point. */
export const extendStroke = (text, [row, column]) => (text.endsWith(`.${row}.${column}`) ? text : `${text}.${row}.${column}`);
export const withoutLastStroke = (text) => text.split("~").slice(0, -1).join("~");

/** The picture under the strokes, and where they changed it (1) or not (0). */
export function paintOver(picture, { height, width, channels }, strokes) {
  const pixels = Uint8Array.from(picture);
  const touched = new Uint8Array(height * width);
  const grey = (rgb) => Math.round(0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]);
  for (const { kind, size, colour, points } of strokes) {
    const rgb = kind === "square" ? SQUARE_COLOUR : colour;
    const values = channels === 1 ? [grey(rgb)] : rgb;
    const dab = (row, column) => {
      const first = -Math.floor(size / 2);
      const last = kind === "square" ? first + size - 1 : -first;
      for (let i = first; i <= last; i++)
        for (let j = first; j <= last; j++) {
          if (kind !== "square" && i * i + j * j > (size * size) / 4) continue;
          const [r, c] = [row + i, column + j];
          if (r < 0 || r >= height || c < 0 || c >= width) continue;
          const at = r * width + c;
          touched[at] = kind === "restore" ? 0 : 1;
          for (let k = 0; k < channels; k++) pixels[at * channels + k] = kind === "restore" ? picture[at * channels + k] : values[k];
        }
    };
    points.forEach(([row, column], k) => {
      const [fromRow, fromColumn] = points[Math.max(k - 1, 0)];
      const steps = Math.max(Math.abs(row - fromRow), Math.abs(column - fromColumn), 1);
      for (let n = k ? 1 : steps; n <= steps; n++)
        dab(Math.round(fromRow + ((row - fromRow) * n) / steps), Math.round(fromColumn + ((column - fromColumn) * n) / steps));
    });
  }
  return { pixels, touched };
}

/**
 * A picture mirrored left to right (or not) and then turned by so many quarters, clockwise: its height and width, and
 * for each of its pixels the position that it had before.
 */
export function orientation(height, width, turns, mirrored) {
  const [newHeight, newWidth] = turns % 2 ? [width, height] : [height, width];
  const source = new Int32Array(height * width);
  for (let r = 0; r < newHeight; r++)
    for (let c = 0; c < newWidth; c++) {
      const [row, column] = [[r, c], [height - 1 - c, r], [height - 1 - r, width - 1 - c], [c, width - 1 - r]][turns];
      source[r * newWidth + c] = row * width + (mirrored ? width - 1 - column : column);
    }
  return { height: newHeight, width: newWidth, source };
}

/** Numbers, `channels` a pixel, in the order of an orientation. */
export function oriented(values, { source }, channels = 1) {
  const result = new Uint8Array(values.length);
  for (let n = 0; n < source.length; n++) for (let k = 0; k < channels; k++) result[n * channels + k] = values[source[n] * channels + k];
  return result;
}

/** What a network takes: one channel after the other, from 0 to 1. */
export function channelsFirst(pixels, channels) {
  const count = pixels.length / channels;
  const result = new Float64Array(pixels.length);
  for (let n = 0; n < count; n++) for (let k = 0; k < channels; k++) result[k * count + n] = pixels[n * channels + k] / 255;
  return result;
}
