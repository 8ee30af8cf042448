/** JSON Merge Patch (RFC 7396). */
import { isJsonObject } from '../../../permissions/json.ts';

/** @returns the patched value; section 2 of the RFC has the algorithm */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isJsonObject(patch)) return patch;
  const merged = new Map(isJsonObject(target) ? Object.entries(target) : []);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key);
    else merged.set(key, mergePatch(merged.get(key), value));
  }
  return Object.fromEntries(merged);
}
