/** What is sent of an event. It has ids and names of fields: never values, which may be secrets or what rows hold. */
import type { AuditEntry } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';

/** The names of the fields that an entry says have changed. */
function fieldsOf({ details }: AuditEntry): string[] | undefined {
  const { fields } = details ?? {};
  return typeof fields === 'object' && fields !== null ? Object.keys(fields) : undefined;
}

const ACCOUNT = /^(datasource:[0-9a-f-]{36}\/[\w-]{11})\/.*$/s;

/** A person in a database of the operator is named by the key of a row there, which is not sent: the user table is. */
const withoutKey = (party: string | undefined): string | undefined => party?.replace(ACCOUNT, '$1');

/** @param id of the event @returns JSON, in the shape of Standard Webhooks */
export function toBody(id: string, entry: AuditEntry): string {
  const { at, event, outcome, organization, actor, subject, client } = entry;
  const parties = { actor: withoutKey(actor), subject: withoutKey(subject) };
  const data = { id, organization, ...parties, client, outcome, fields: fieldsOf(entry) };
  return JSON.stringify({ type: event, timestamp: new Date(at).toISOString(), data: defined(data) });
}
