// From class scores to class maps, probabilities and IoU: no DOM. Scores are K × positions, class by class.
import { softmax } from "./cross_entropy.js";

/** The class with the highest score, at every position. */
export function classMapOf(scores, classes) {
  const count = scores.length / classes;
  const map = new Uint8Array(count);
  for (let n = 0; n < count; n++) {
    let best = 0;
    for (let k = 1; k < classes; k++) if (scores[k * count + n] > scores[best * count + n]) best = k;
    map[n] = best;
  }
  return map;
}

/** The k scores at one position and their softmax. */
export function atPosition(scores, classes, position) {
  const count = scores.length / classes;
  const own = Array.from({ length: classes }, (_, k) => scores[k * count + position]);
  return { scores: own, probabilities: softmax(own) };
}

/** Which share of the positions each class has. */
export function sharesOf(map, classes) {
  const counts = Array(classes).fill(0);
  for (const k of map) counts[k]++;
  return counts.map((count) => count / map.length);
}

/** Intersection over union of each class, null for one that occurs in neither. Labels that are no class are void. */
export function iouOf(map, truth, classes) {
  const [both, either] = [Array(classes).fill(0), Array(classes).fill(0)];
  for (let n = 0; n < map.length; n++) {
    if (truth[n] >= classes) continue;
    if (map[n] === truth[n]) both[map[n]]++;
    else either[truth[n]]++;
    either[map[n]]++;
  }
  return either.map((count, k) => (count ? both[k] / count : null));
}
