/** Forms of requests to OAuth endpoints (RFC 6749 section 3.2): an empty parameter counts as absent. */
import { MalformedRequest } from '../errors/domain.ts';

/** The fields of a form; repeated ones are arrays. */
export type Form = Readonly<Record<string, unknown>>;

/** @returns undefined if it is absent, empty or repeated */
export function findText(form: Form, name: string): string | undefined {
  const value = form[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** @throws MalformedRequest if it is absent, empty or repeated */
export function requireText(form: Form, name: string): string {
  const value = findText(form, name);
  if (value === undefined) throw new MalformedRequest({ description: `The parameter ${name} is missing.` });
  return value;
}

/** @throws MalformedRequest if one of these parameters is repeated */
export function refuseRepeated(form: Form, names: readonly string[]): void {
  const repeated: string[] = [];
  for (const name of names) if (Array.isArray(form[name])) repeated.push(name);
  if (repeated.length === 0) return;
  throw new MalformedRequest({ description: `Send these parameters once: ${repeated.join(', ')}.` });
}
