// Arrays of numbers as nested lists: the form in which they travel between Python and the page.

/** An array of the given shape, filled with `value`. */
export const filled = ([n, ...rest], value = 0) =>
  Array.from({ length: n }, () => (rest.length ? filled(rest, value) : value));

/** The shape of a rectangular nested list. */
export const shapeOf = (array) => (Array.isArray(array) ? [array.length, ...shapeOf(array[0])] : []);

/** Whether two nested lists hold the same numbers, up to rounding of `tolerance`. */
export const sameArray = (a, b, tolerance = 0) =>
  Array.isArray(a)
    ? Array.isArray(b) && a.length === b.length && a.every((v, i) => sameArray(v, b[i], tolerance))
    : Math.abs(a - b) <= tolerance;

/** The largest magnitude in a nested list, 0 for an empty one. */
export const largestMagnitude = (array) =>
  Array.isArray(array) ? array.reduce((m, v) => Math.max(m, largestMagnitude(v)), 0) : Math.abs(array);

/** A number as a reader writes it: a true minus sign and at most two decimals. */
export function formatNumber(value) {
  const rounded = Math.round(value * 100) / 100;
  return String(rounded === 0 ? 0 : rounded).replace("-", "−");
}

/** As `formatNumber`, in parentheses where a sum or product needs them: 2 · (−1). */
export const formatFactor = (value) => {
  const text = formatNumber(value);
  return text.startsWith("−") ? `(${text})` : text;
};
