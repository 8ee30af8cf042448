/** What is sent of an event. It has ids and names of fields: never values, which may be secrets or what rows hold. */
import type { AuditEntry } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';

/** The names of the fields that an entry says have changed. */
function fieldsOf({ details }: AuditEntry): string[] | undefined {
  const { fields } = details ?? {};
  return typeof fields === 'object' && fields !== null ? Object.keys(fields) : undefined;
}

/** @param id of the event @returns JSON, in the shape of Standard Webhooks */
export function toBody(id: string, entry: AuditEntry): string {
  const { at, event, outcome, organization, actor, subject, client } = entry;
  const data = { id, organization, actor, subject, client, outcome, fields: fieldsOf(entry) };
  return JSON.stringify({ type: event, timestamp: new Date(at).toISOString(), data: defined(data) });
}
