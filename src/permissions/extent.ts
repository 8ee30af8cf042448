/** Which things of a kind are meant: those that are named, or all there are and will be. */
export type Extent = ReadonlySet<string> | '*';

/** Whether all that `b` means is meant by `a`. */
export function containsExtent(a: Extent, b: Extent): boolean {
  return a === '*' || (b !== '*' && b.isSubsetOf(a));
}

/** What both mean. */
export function intersectExtents(a: Extent, b: Extent): Extent {
  if (a === '*') return b;
  return b === '*' ? a : a.intersection(b);
}

/** What either means. */
export function uniteExtents(a: Extent, b: Extent): Extent {
  return a === '*' || b === '*' ? '*' : a.union(b);
}
