/** Resource indicators in the spelling of the directory, so that they can be compared as strings. */
import { isSameResource } from '../permissions/resource-identifiers.ts';
import type { DirectoryView } from './directory.ts';

/**
 * @param given the `resource` parameter of a request (RFC 8707 section 2), possibly repeated
 * @returns a single value if all of them mean the same resource; otherwise what was given
 */
export async function spelledAsStored(
  view: Pick<DirectoryView, 'findResource'>,
  given: unknown,
): Promise<unknown> {
  const [identifier, ...others]: unknown[] = Array.isArray(given) ? given : [given];
  if (typeof identifier !== 'string') return given;
  if (!others.every((each) => isSameResource(each, identifier))) return given;
  return (await view.findResource(identifier))?.identifier ?? identifier;
}
