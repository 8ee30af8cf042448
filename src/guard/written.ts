/** The migration as operators keep and run it: one transaction under a header. */
import type { GuardPlan } from './plan.ts';
import { READER } from './sql/names.ts';
import { oneLine } from './sql/text.ts';

/** @param name `organization/resource` */
export function writeText(
  { migration: { number, statements, isApplied }, guard, preflight: { accepted } }: GuardPlan,
  name: string,
): string {
  const { resource, issuer, tables, clientRoles, exemptRoles, mode } = guard;
  const listed = (names: readonly string[]) => names.map(oneLine).join(', ') || 'none';
  const header = [
    `Migration ${number} of ${oneLine(name)}, by grantable guard postgres`,
    isApplied && 'The database has it: running it again changes nothing.',
    mode === 'report'
      ? 'PostgreSQL logs what tokens do not allow, and does not refuse it.'
      : 'PostgreSQL allows client roles what the token of the request allows, and nothing else.',
    '',
    `Issuer of the tokens:  ${oneLine(issuer)}`,
    `Resource (aud):        ${oneLine(resource)}`,
    `Tables:                ${tables.length}, ${tables.filter(({ isLimited }) => isLimited).length} of them with rights to some rows or columns`,
    `Client roles:          ${listed(clientRoles)}`,
    `Exempt roles:          ${listed(exemptRoles)}`,
    accepted.length > 0 && `Accepted:              ${listed(accepted)}`,
    '',
    `Run it as the owner of the tables, with the right to create roles and schemas: psql -v ON_ERROR_STOP=1 -f FILE`,
    `It can be run again. grantable guard postgres ${oneLine(name)} --undo writes what takes it back, ${READER} too.`,
  ];
  const comments = header.filter((line) => line !== false).map((line) => `-- ${line}`.trimEnd());
  return [...comments, '', 'BEGIN;', '', ...statements.flatMap((each) => [each, '']), 'COMMIT;', ''].join(
    '\n',
  );
}
