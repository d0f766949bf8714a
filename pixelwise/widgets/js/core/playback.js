// Training as a sequence of class maps: no DOM.

/** Map number `index` of packed class maps: `bits` bits a pixel, the first in the lowest; each map begins a byte. */
export function unpackMap(bytes, bits, area, index) {
  const start = index * Math.ceil((area * bits) / 8);
  const mask = 2 ** bits - 1;
  const map = new Uint8Array(area);
  for (let n = 0; n < area; n++) map[n] = (bytes[start + ((n * bits) >> 3)] >> ((n * bits) & 7)) & mask;
  return map;
}

/** For each pixel the first of the maps from which on it is right to the end; `maps.length` where the last is wrong. */
export function rightSince(maps, truth) {
  const since = new Uint8Array(truth.length);
  for (let n = 0; n < truth.length; n++) {
    let first = maps.length;
    while (first > 0 && maps[first - 1][n] === truth[n]) first--;
    since[n] = first;
  }
  return since;
}

/** The mean of each value and its neighbours, up to `reach` on either side. */
export function smoothed(values, reach) {
  const sums = [0];
  for (const value of values) sums.push(sums.at(-1) + value);
  return values.map((_, n) => {
    const [from, to] = [Math.max(0, n - reach), Math.min(values.length, n + reach + 1)];
    return (sums[to] - sums[from]) / (to - from);
  });
}

/** The index of the moment that is nearest to a step. */
export const nearestMoment = (moments, step) => moments.reduce((best, moment, k) => (Math.abs(moment - step) < Math.abs(moments[best] - step) ? k : best), 0);
