/** What the log says of the client of a request, at every endpoint and face. */
import type { NamedClient } from './authentication.ts';

export interface ClientNotes {
  clientId?: string | undefined;
  clientAuth?: { readonly used: string; readonly registered: string } | undefined;
}

/** The client that a request names, and its method if it is not the registered one. */
export function noteClient(notes: ClientNotes, { clientId, used, registered }: NamedClient): void {
  notes.clientId = clientId;
  notes.clientAuth = used === registered ? undefined : { used, registered };
}
