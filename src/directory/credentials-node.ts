/**
 * Of an application, the node that tokens hang below which its secret alone was the proof for, and which may live on by
 * refreshing: with another secret they end, because whoever found the secret may have them too.
 * @param id of the application
 */
export function credentialsNode(id: string): string {
  return `credentials:${id}`;
}
