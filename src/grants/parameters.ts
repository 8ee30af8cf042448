/** Single parameters of a token request. */
import { MalformedRequest } from '../errors/domain.ts';
import type { GrantRequest } from './contract.ts';

type Parameters = GrantRequest['parameters'];

/** @returns undefined if it is missing, empty or repeated */
export function findText(parameters: Parameters, name: string): string | undefined {
  const value = parameters[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** @throws MalformedRequest (RFC 6749 section 5.2 `invalid_request`) */
export function requireText(parameters: Parameters, name: string): string {
  const value = findText(parameters, name);
  if (value === undefined) throw new MalformedRequest({ description: `missing required parameter: ${name}` });
  return value;
}
