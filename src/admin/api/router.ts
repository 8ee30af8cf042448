/** Which operation a method and a path mean. */
import type { Operation } from '../operations/operation.ts';

export interface Found {
  readonly operation: Operation;
  /** Decoded. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** What is at a path. */
export interface Place {
  /** For `Allow`. */
  readonly methods: readonly string[];
  /** @throws URIError for a path that is not encoded properly */
  find(method: string): Found | undefined;
}

const isParameter = (segment: string): boolean => segment.startsWith('{');

/** @param segments of an operation's path @param given of a path */
const areSame = (segments: readonly string[], given: readonly string[]): boolean =>
  segments.length === given.length &&
  segments.every((segment, at) => (isParameter(segment) ? given[at] !== '' : segment === given[at]));

/** @throws URIError for a segment that is not encoded properly */
function readParameters(segments: readonly string[], given: readonly string[]): Record<string, string> {
  const named = segments.flatMap((segment, at) =>
    isParameter(segment) ? [[segment.slice(1, -1), decodeURIComponent(given[at] as string)]] : [],
  );
  return Object.fromEntries(named);
}

/** A segment that stands for itself goes before a parameter in its place. */
const countParameters = (path: string): number => path.split('/').filter(isParameter).length;

/** HEAD is answered as GET, but for what is sent line by line: that would be made, and recorded as sent, for nothing. */
const methodsOf = ({ method, media }: Operation): readonly string[] =>
  method === 'GET' && media === undefined ? ['GET', 'HEAD'] : [method];

/** @returns finds what is at a path below the API's own */
export function createRouter(operations: readonly Operation[]): (path: string) => Place | undefined {
  const places = [...Map.groupBy(operations, ({ path }) => path)]
    .sort(([a], [b]) => countParameters(a) - countParameters(b))
    .map(([path, all]) => {
      const byMethod = new Map(all.map((operation) => [operation.method as string, operation]));
      if (byMethod.size < all.length) throw new Error(`two operations of ${path} have one method`);
      return { segments: path.split('/'), byMethod, methods: all.flatMap(methodsOf) };
    });
  return (path) => {
    const given = path.split('/');
    const place = places.find(({ segments }) => areSame(segments, given));
    if (!place) return undefined;
    const { segments, byMethod, methods } = place;
    return {
      methods,
      find(method) {
        const operation = byMethod.get(method === 'HEAD' ? 'GET' : method);
        if (!operation || !methods.includes(method)) return undefined;
        return { operation, parameters: readParameters(segments, given) };
      },
    };
  };
}
