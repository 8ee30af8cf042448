/** JSON Merge Patch (RFC 7396). */

export type JsonGroup = Readonly<Record<string, unknown>>;

export function isJsonGroup(value: unknown): value is JsonGroup {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @returns the patched value; section 2 of the RFC has the algorithm */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isJsonGroup(patch)) return patch;
  const merged = new Map(isJsonGroup(target) ? Object.entries(target) : []);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key);
    else merged.set(key, mergePatch(merged.get(key), value));
  }
  return Object.fromEntries(merged);
}
