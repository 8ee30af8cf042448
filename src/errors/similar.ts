/** "Did you mean": the candidate that a mistyped name is closest to. */

/** Names of one list that are compared with candidates: a hostile list has thousands. */
export const MAX_HINTS = 10;

/** Undefined if none is close: more than a third of the letters differ. Case does not count. */
export function findSimilar(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = name.toLowerCase();
  let best: { candidate: string; distance: number } | undefined;
  for (const candidate of candidates) {
    const allowed = Math.floor(Math.max(wanted.length, candidate.length) / 3);
    // Of a very long name this is known without looking at its letters.
    if (Math.abs(wanted.length - candidate.length) > allowed) continue;
    const distance = countEdits(wanted, candidate.toLowerCase());
    if (distance <= allowed && (!best || distance < best.distance)) best = { candidate, distance };
  }
  return best?.candidate;
}

/** ` (did you mean …?)`, or nothing. */
export function didYouMean(name: string, candidates: Iterable<string>): string {
  const similar = findSimilar(name, candidates);
  return similar === undefined ? '' : ` (did you mean ${similar}?)`;
}

/** Levenshtein distance, one row of the table at a time. */
function countEdits(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const change = (row[j - 1] as number) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[to.length] as number;
}
