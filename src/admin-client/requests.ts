/** From the arguments of a call to a request. */
import type { CallOptions } from './contract.ts';

/** What the client knows of an operation. */
export interface Row {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  /** It makes an object. */
  readonly creates?: true;
  /** It needs the version of the object. */
  readonly conditional?: true;
  /** Of a stream; the first one is chosen if the caller says nothing. */
  readonly media?: readonly string[];
}

/** By id. */
export type Table = Readonly<Record<string, Row>>;

export interface Arguments {
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
  readonly version?: number;
  readonly dryRun?: boolean;
  readonly accept?: string;
  readonly [parameter: string]: unknown;
}

export interface Request {
  /** Below the API's own. */
  readonly path: string;
  readonly method: Row['method'];
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Whether it may be sent again although the first one may have been handled. */
  readonly isRepeatable: boolean;
  readonly isStream: boolean;
}

const isVersioned = (value: unknown): value is { readonly id: string; readonly version?: unknown } =>
  typeof value === 'object' && value !== null && 'id' in value;

function fillPath(path: string, given: Arguments): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = given[name];
    const text = isVersioned(value) ? value.id : value;
    // An empty or dotted segment would name another operation.
    if (typeof text !== 'string' || /^\.{0,2}$/.test(text)) {
      throw new TypeError(`${name} must be a text that is not empty, or an object with an id.`);
    }
    return encodeURIComponent(text);
  });
}

function writeQuery({ query = {}, dryRun }: Arguments): string {
  const written = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) written.set(name, String(value));
  }
  if (dryRun) written.set('dryRun', 'true');
  return written.size === 0 ? '' : `?${written}`;
}

/** Of the arguments, or of the object that the path ends with. */
function versionOf(id: string, { path }: Row, given: Arguments): number {
  const [, name = ''] = /\{(\w+)\}[^{}]*$/.exec(path) ?? [];
  const object = given[name];
  const version = given.version ?? (isVersioned(object) ? object.version : undefined);
  if (typeof version !== 'number') {
    throw new TypeError(
      `${id} needs the version of the object: give \`version\`, or the object instead of its id.`,
    );
  }
  return version;
}

/** @throws TypeError for arguments that the operation does not take */
export function toRequest(id: string, row: Row, given: Arguments, options: CallOptions): Request {
  const { method, creates, conditional, media } = row;
  const { body, dryRun, accept = media?.[0] ?? 'application/json' } = given;
  const headers: Record<string, string> = { accept };
  if (body !== undefined) {
    headers['content-type'] = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
  }
  if (conditional) headers['if-match'] = `"${versionOf(id, row, given)}"`;
  if (creates) headers['idempotency-key'] = options.idempotencyKey ?? crypto.randomUUID();
  return {
    path: fillPath(row.path, given) + writeQuery(given),
    method,
    headers,
    ...(body !== undefined && { body: JSON.stringify(body) }),
    isRepeatable: method === 'GET' || creates === true || dryRun === true,
    isStream: media !== undefined,
  };
}
