/** An end to waiting, for drivers that have none of their own. */
import { DatasourceAway, TIMEOUT_MS } from '../../src/datasources/connector.ts';

/** @throws DatasourceAway when the answer takes longer than `TIMEOUT_MS` */
export async function withTimeout<T>(work: Promise<T>): Promise<T> {
  let late: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    late = setTimeout(() => reject(new DatasourceAway(`no answer within ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
  });
  try {
    return await Promise.race([work, tooLate]);
  } finally {
    clearTimeout(late);
    work.catch(() => undefined);
  }
}
