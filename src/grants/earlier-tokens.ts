/**
 * Older APIs whose refresh ends the access tokens that the login had before. These hang below a node of their own, under
 * the login's, so that the login goes on when they end.
 */

/** @param login its id */
export function earlierTokensNode(login: string): string {
  return `tokens:${login}`;
}
