/** Where the administration API is. */

export const API = '/admin/api/v1';
/** Versions that are not there are answered by this one, with problem details. */
const BASE = '/admin/api';

export function isApiPath(path: string): boolean {
  return path.startsWith(BASE) && (path.length === BASE.length || path.charAt(BASE.length) === '/');
}
