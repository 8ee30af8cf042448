/** The paths of a face: which route a path means, and what it names. */
import { type MatchFunction, match } from 'path-to-regexp';
import { reservedNames } from '../nouns/names.ts';
import type { Face, FaceAction } from './face.ts';
import type { Prefixes } from './parts.ts';

/** What a path names, still encoded. */
export type Params = Readonly<Partial<Record<string, string>>>;

interface Pattern {
  /** Of every path that it matches; undefined if it names the organization. */
  readonly firstSegment: string | undefined;
  readonly matches: MatchFunction<Partial<Record<string, string>>>;
}

type Route = { readonly method: string; readonly action: FaceAction };

export type FoundRoute = Route & { readonly params: Params };

/** Clients append a path with a leading slash to a base with a trailing one. */
export const withoutDoubledSlashes = (path: string): string =>
  path.includes('//') ? path.replace(/\/{2,}/g, '/') : path;

const firstSegmentOf = (path: string): string => path.slice(1, (path.indexOf('/', 1) + 1 || Infinity) - 1);

/** Paths are compared letter by letter; a slash at the end counts unless the face says that it does not. */
function toPattern(path: string, slashAtEnd: boolean): Pattern {
  const first = firstSegmentOf(path);
  return {
    firstSegment: first.startsWith(':') ? undefined : first,
    matches: match(path, { sensitive: true, trailing: slashAtEnd, decode: false }),
  };
}

const basesOf = ({ name, alsoBelow = [] }: Face, prefixes: Prefixes) => [prefixes[name] ?? '', ...alsoBelow];

function toRoutes(face: Face, prefixes: Prefixes): (Route & Pattern)[] {
  return basesOf(face, prefixes).flatMap((base) =>
    Object.entries(face.routes).map(([route, action]) => {
      const [method = '', path = ''] = route.split(' ');
      return { method, action, ...toPattern(base + path, face.slashAtEnd === true) };
    }),
  );
}

/** Where the face's own error format answers unknown paths: below its base; at the root, beside its paths. */
function toSurroundings(face: Face, prefixes: Prefixes): Pattern[] {
  const folders = basesOf(face, prefixes).flatMap((base) =>
    base === '' ? Object.keys(face.routes).map((route) => route.replace(/^\S+ |\/[^/]*$/g, '')) : [base],
  );
  // Longest first: longer paths also name the organization or the application.
  return [...new Set(folders)]
    .filter((folder) => folder !== '')
    .sort((a, b) => b.length - a.length)
    .map((folder) => toPattern(`${folder}/*rest`, true));
}

/** Patterns that begin with the name of an organization come last: such a name never begins a path of the server. */
function createFinder<T extends Pattern>(patterns: readonly T[], taken: ReadonlySet<string>) {
  const bySegment = Map.groupBy(patterns, ({ firstSegment }) => firstSegment);
  return (path: string): (T & { readonly params: Params })[] => {
    const first = firstSegmentOf(path);
    const candidates = bySegment.get(first) ?? (taken.has(first) ? [] : bySegment.get(undefined));
    return (candidates ?? []).flatMap((pattern) => {
      const found = pattern.matches(path);
      // Below a prefix, one of the face's own paths may look like a path with an organization.
      const isOwn = found && !reservedNames.has(found.params.organization ?? '');
      return isOwn ? [{ ...pattern, params: found.params }] : [];
    });
  };
}

export function createRoutes(face: Face, prefixes: Prefixes) {
  const taken = new Set([...reservedNames, ...Object.values(prefixes).map(firstSegmentOf)]);
  const findRoutes = createFinder(toRoutes(face, prefixes), taken);
  const findSurroundings = createFinder(toSurroundings(face, prefixes), taken);
  return {
    /** The routes at a path, one for each method. */
    at: findRoutes,
    /** What a path names that is not a route but stands beside one; undefined for any other path. */
    beside: (path: string): Params | undefined => findSurroundings(path)[0]?.params,
  };
}
