/**
 * The path of a request that another server will handle. Servers differ in how they decode and clean paths, so a path that
 * two of them could read differently is refused.
 */
import { AccessError } from './errors.ts';

/** A path in the one form that rules are compared with: each segment decoded once. */
export interface RequestPath {
  /** Without empty ones. */
  readonly segments: readonly string[];
  /** Whether a slash follows the last segment. */
  readonly hasEndSlash: boolean;
}

/** Parameters by which frameworks take another method than that of the request. */
export const METHOD_OVERRIDES = ['x-http-method-override', 'x-http-method', 'x-method-override'] as const;

const IN_QUERY: readonly string[] = ['_method', ...METHOD_OVERRIDES].map(foldName);

/**
 * @param target as the client sent it: a path, and a query perhaps
 * @throws AccessError invalid_request
 */
export function readRequestPath(target: string): RequestPath {
  if (!/^\/[!-~]*$/.test(target) || target.includes('#')) {
    throw refused('The request target must be a path of visible ASCII characters without a fragment.');
  }
  const start = target.indexOf('?');
  const path = start < 0 ? target : target.slice(0, start);
  if (start >= 0) refuseOverrides(target.slice(start + 1));
  const names = path.slice(1).split('/').map(decodeOnce);
  const hasEndSlash = names.at(-1) === '';
  const segments = hasEndSlash ? names.slice(0, -1) : names;
  if (!segments.every(isPlainSegment)) {
    throw refused(
      'The path has an empty segment, a dot segment, or an encoded slash, backslash, semicolon, percent sign, ' +
        'question mark, number sign, control character, or blank or dot at the end of a segment.',
    );
  }
  return { segments, hasEndSlash };
}

/** Whether a decoded segment means the same to all servers, also to those that take look-alikes of a character for it. */
export function isPlainSegment(segment: string): boolean {
  return [segment, segment.normalize('NFKC')].every(
    (text) => text !== '' && !/[/\\;%?#]|\p{C}|^\s|[\s.]$/u.test(text),
  );
}

/** @throws AccessError invalid_request for what is not UTF-8, such as overlong forms */
function decodeOnce(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw refused('The path is not UTF-8.');
  }
}

/**
 * Some servers end the name of a parameter at a bracket or a NUL, and make variables of parameters and headers, in which other
 * characters than letters and digits become `_`.
 */
export function foldName(name: string): string {
  return name
    .trim()
    .replace(/[[\0].*$/s, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, '_');
}

/** @throws AccessError invalid_request */
function refuseOverrides(query: string): void {
  for (const pair of query.split(/[&;]/)) {
    const [name = ''] = new URLSearchParams(pair).keys();
    if (IN_QUERY.includes(foldName(name))) {
      throw refused('The query has a parameter that overrides the method.');
    }
  }
}

function refused(message: string): AccessError {
  return new AccessError('invalid_request', message);
}
