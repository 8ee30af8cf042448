/** Rules for paths: which of them are about a request, most specific first. What no rule allows is refused. */
import { isPlainSegment, type RequestPath } from './request-target.ts';

export interface PathRule<T> {
  /** In capitals. `GET` is about `HEAD` too. */
  readonly method: string;
  readonly pattern: PathPattern;
  readonly value: T;
}

/** `/orders/:id` has one segment in the place of `:id`. `/files/*` is `/files` and everything below. */
export interface PathPattern {
  /** Undefined for a parameter. */
  readonly segments: readonly (string | undefined)[];
  /** Whether more segments may follow. */
  readonly hasRest: boolean;
  readonly hasEndSlash: boolean;
}

/** @throws TypeError */
export function parsePattern(path: string): PathPattern {
  const names = path.split('/').slice(1);
  const hasRest = names.at(-1) === '*';
  const hasEndSlash = names.at(-1) === '';
  const given = hasRest || hasEndSlash ? names.slice(0, -1) : names;
  const isRight = (name: string) => isPlainSegment(name) && !name.includes('*') && name !== ':';
  if (!path.startsWith('/') || !given.every(isRight)) {
    throw new TypeError(
      `Wrong path ${JSON.stringify(path)} of a rule. Write it decoded, like /orders, /orders/:id or /files/*.`,
    );
  }
  return {
    segments: given.map((name) => (name.startsWith(':') ? undefined : name)),
    hasRest,
    hasEndSlash,
  };
}

/**
 * The most specific rules for a request. If there are several, all of them count.
 * @returns empty if the path differs from the path of one of them in case, in look-alike letters or in the slash at the
 * end: some servers take the two for one, and others do not
 */
export function findRules<T>(rules: readonly PathRule<T>[], method: string, path: RequestPath): T[] {
  const folded = path.segments.map(fold);
  const matching = rules.filter(
    (rule) =>
      (rule.method === method || (rule.method === 'GET' && method === 'HEAD')) &&
      isAlike(rule.pattern, folded),
  );
  const found = matching.filter(
    ({ pattern }) => !matching.some((other) => isMoreSpecific(other.pattern, pattern, folded.length)),
  );
  return found.every(({ pattern }) => isSame(pattern, path)) ? found.map(({ value }) => value) : [];
}

/** The same for all names that some server takes for one. */
function fold(name: string): string {
  return name.normalize('NFKC').toUpperCase().toLowerCase();
}

function isAlike({ segments, hasRest }: PathPattern, folded: readonly string[]): boolean {
  const hasLength = hasRest ? folded.length >= segments.length : folded.length === segments.length;
  return hasLength && segments.every((name, index) => name === undefined || fold(name) === folded[index]);
}

function isSame({ segments, hasRest, hasEndSlash }: PathPattern, path: RequestPath): boolean {
  return (
    segments.every((name, index) => name === undefined || name === path.segments[index]) &&
    (hasRest || hasEndSlash === path.hasEndSlash)
  );
}

/** For two patterns that match the same path of this length. */
function isMoreSpecific(one: PathPattern, other: PathPattern, length: number): boolean {
  // One more for the end of the path.
  const kinds = Array.from(
    { length: length + 1 },
    (_, index) => [kindOf(one, index), kindOf(other, index)] as const,
  );
  return kinds.every(([a, b]) => a <= b) && kinds.some(([a, b]) => a < b);
}

/** 0 for a name or the end, 1 for a parameter, 2 for what `*` stands for. */
function kindOf({ segments, hasRest }: PathPattern, index: number): number {
  if (index >= segments.length) return hasRest ? 2 : 0;
  return segments[index] === undefined ? 1 : 0;
}
