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

const PARAMETER = /\{(\w+)\}/g;

const toPattern = (path: string): RegExp => new RegExp(`^${path.replaceAll(PARAMETER, '(?<$1>[^/]+)')}$`);

/** A segment that stands for itself goes before a parameter in its place. */
const countParameters = (path: string): number => path.split('{').length - 1;

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
      return { pattern: toPattern(path), byMethod, methods: all.flatMap(methodsOf) };
    });
  return (path) => {
    for (const { pattern, byMethod, methods } of places) {
      const match = pattern.exec(path);
      if (!match) continue;
      return {
        methods,
        find(method) {
          const operation = byMethod.get(method === 'HEAD' ? 'GET' : method);
          if (!operation || !methods.includes(method)) return undefined;
          const named = Object.entries(match.groups ?? {});
          const parameters = named.map(([name, value]) => [name, decodeURIComponent(value)]);
          return { operation, parameters: Object.fromEntries(parameters) };
        },
      };
    }
    return undefined;
  };
}
