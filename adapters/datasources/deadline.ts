/** An end to waiting, for drivers that have none of their own. */
import { DatasourceAway, PATIENCE } from '../../src/datasources/connector.ts';

/** @throws DatasourceAway when the answer takes longer than `PATIENCE` */
export async function withinPatience<T>(work: Promise<T>): Promise<T> {
  let late: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    late = setTimeout(() => reject(new DatasourceAway(`no answer within ${PATIENCE} ms`)), PATIENCE);
  });
  try {
    return await Promise.race([work, tooLate]);
  } finally {
    clearTimeout(late);
    work.catch(() => undefined);
  }
}
