/** Optional members: rows and values leave them out where there is nothing, instead of saying `undefined`. */
/** The members that may be left out because their value may be undefined. */
type MayBeUndefined<T> = { [K in keyof T]-?: undefined extends T[K] ? K : never }[keyof T];

export type Defined<T> = { [K in Exclude<keyof T, MayBeUndefined<T>>]: T[K] } & {
  [K in MayBeUndefined<T>]?: Exclude<T[K], undefined>;
};

/** @returns the members that are not undefined; null, false and empty texts stay */
export function defined<const T extends object>(members: T): Defined<T> {
  const kept: Record<string, unknown> = {};
  for (const name in members) {
    if (members[name] !== undefined) kept[name] = members[name];
  }
  return kept as Defined<T>;
}
