/** Which operation a method and a path mean. */
import type { Operation } from '../operations/operation.ts';

export interface Found {
  readonly operation: Operation;
  /** Decoded. */
  readonly parameters: Readonly<Record<string, string>>;
}

interface Template {
  readonly segments: readonly string[];
  /** By method. */
  readonly operations: Map<string, Operation>;
}

/** What is at a path. */
export interface Place {
  /** For `Allow`. */
  readonly methods: readonly string[];
  /** @throws URIError for a path that is not encoded properly */
  find(method: string): Found | undefined;
}

/** The name of a parameter; undefined for a segment that stands for itself. */
const PARAMETER = /^\{(.+)\}$/;
const nameOf = (segment: string): string | undefined => PARAMETER.exec(segment)?.[1];

function matches({ segments }: Template, asked: readonly string[]): boolean {
  if (segments.length !== asked.length) return false;
  return segments.every((segment, index) =>
    nameOf(segment) === undefined ? segment === asked[index] : asked[index] !== '',
  );
}

/** A segment that stands for itself goes before a parameter in its place. */
function byParameters(a: Template, b: Template): number {
  const count = ({ segments }: Template) =>
    segments.filter((segment) => nameOf(segment) !== undefined).length;
  return count(a) - count(b);
}

function readParameters({ segments }: Template, asked: readonly string[]): Record<string, string> {
  const named = segments.flatMap((segment, index) => {
    const name = nameOf(segment);
    return name === undefined ? [] : [[name, decodeURIComponent(asked[index] ?? '')]];
  });
  return Object.fromEntries(named);
}

/** HEAD is answered as GET, but for what is sent line by line: that would be made, and recorded as sent, for nothing. */
const isReadWhole = ({ method, media }: Operation): boolean => method === 'GET' && media === undefined;

const methodsOf = (operation: Operation): readonly string[] =>
  isReadWhole(operation) ? ['GET', 'HEAD'] : [operation.method];

/** @returns finds what is at a path below the API's own */
export function createRouter(operations: readonly Operation[]): (path: string) => Place | undefined {
  const templates = new Map<string, Template>();
  for (const operation of operations) {
    const { path, method } = operation;
    const template = templates.get(path) ?? { segments: path.slice(1).split('/'), operations: new Map() };
    if (template.operations.has(method)) throw new Error(`two operations are ${method} ${path}`);
    template.operations.set(method, operation);
    templates.set(path, template);
  }
  const sorted = [...templates.values()].sort(byParameters);
  return (path) => {
    const asked = path.slice(1).split('/');
    const template = sorted.find((each) => matches(each, asked));
    if (!template) return undefined;
    return {
      methods: [...template.operations.values()].flatMap(methodsOf),
      find(method) {
        const found = template.operations.get(method === 'HEAD' ? 'GET' : method);
        const operation = found && methodsOf(found).includes(method) ? found : undefined;
        return operation && { operation, parameters: readParameters(template, asked) };
      },
    };
  };
}
