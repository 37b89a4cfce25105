/**
 * What the jobs screen asks for, what may be done to a job, and how far those are that run.
 */

/**
 * @typedef {object} Job what the hub calls one
 * @property {string} id
 * @property {string} merchant_id
 * @property {string} queue
 * @property {string} name
 * @property {string} state
 * @property {number} attempt
 * @property {number} max_attempts
 * @property {number} progress percent
 * @property {string | null} note
 * @property {string | null} error
 * @property {any} result
 * @property {any} args
 * @property {string} run_at
 * @property {string | null} awaits
 * @property {string | null} parent_id
 * @property {string | null} recipient
 * @property {string} created_at
 * @property {string | null} started_at
 * @property {string | null} finished_at
 * @property {string} updated_at
 * @property {number} version
 *
 * @typedef {object} Filter
 * @property {string} queue
 * @property {string} state
 * @property {string} parent the job whose parts are asked for
 * @property {string | null} merchantId
 */

export const STATES = [
  'scheduled', 'queued', 'running', 'retrying', 'succeeded', 'dead', 'cancelled',
]; // prettier-ignore

const OPEN = new Set(['scheduled', 'queued', 'running', 'retrying']);

/**
 * What may be done to jobs.
 * @type {[verb: string, label: string, sign: any][]}
 */
export const ACTS = [
  ['retry', 'Retry', 'refresh'],
  ['cancel', 'Cancel', 'close'],
  ['discard', 'Discard', 'trash'],
];

/** What may be done to jobs in each state. @type {Record<string, (state: string) => boolean>} */
export const ALLOWED = {
  retry: (state) => state === 'dead' || state === 'cancelled',
  cancel: (state) => OPEN.has(state),
  discard: (state) => !OPEN.has(state),
};

/**
 * @param {Filter} filter
 * @returns {{ parts: Record<string, object>, accepts: (job: any) => boolean }}
 */
export function jobQuestion({ queue, state, parent, merchantId }) {
  // The parts of a bulk send would hide everything else, unless something is asked for.
  const whole = !parent && !state;
  const params = {
    ...(whole && { whole }),
    ...(queue && { queue }),
    ...(state && { state }),
    ...(parent && { parent_id: parent }),
    ...(merchantId !== null && { merchant_id: merchantId }),
  };
  return {
    parts: { all: params },
    accepts: (job) =>
      (!queue || job.queue === queue) &&
      (!state || job.state === state) &&
      (whole ? job.parent_id === null : !parent || job.parent_id === parent) &&
      (merchantId === null || job.merchant_id === merchantId),
  };
}

/**
 * What commands for many jobs are given: each works for one merchant.
 * @param {Filter} filter
 * @param {Job[]} chosen those that were chosen; none for all that the filter names
 * @param {string[]} merchants the ids of all merchants, where it is an admin who asks
 * @returns {object[]} the params of each call
 */
export function manyParams({ queue, state, parent, merchantId }, chosen, merchants) {
  if (chosen.length > 0) {
    const whose = [...new Set(chosen.map((job) => job.merchant_id))];
    return whose.map((id) => ({
      ids: chosen.filter((job) => job.merchant_id === id).map((job) => job.id),
      ...(merchants.length > 0 && { merchant_id: id }),
    }));
  }
  const params = {
    ...(queue && { queue }),
    ...(state && { state }),
    ...(parent && { parent_id: parent }),
  };
  if (merchants.length === 0) return [params];
  const whose = merchantId === null ? merchants : [merchantId];
  return whose.map((id) => ({ ...params, merchant_id: id }));
}

/** Newest first, by when they were made. @param {any} a @param {any} b */
export function newestFirst(a, b) {
  if (a.created_at !== b.created_at) return a.created_at < b.created_at ? 1 : -1;
  return a.id < b.id ? 1 : -1;
}

/**
 * How far running jobs are, as they tell it between two changes of their rows.
 */
export class Progress {
  /** @type {Map<string, { attempt: number, progress: number, note: string | null }>} */
  #told = new Map();

  /**
   * @param {any} frame an event
   * @returns {boolean} whether it says how far a job is
   */
  take({ type, data }) {
    if (type === 'job_progressed') {
      const { jobId, attempt, progress, note = null } = data;
      this.#told.set(jobId, { attempt, progress, note });
      return true;
    }
    if (type.startsWith('job_') && data?.jobId) this.#told.delete(data.jobId);
    return false;
  }

  /** A job with the latest that is known of it. @template {Job} J @param {J} job @returns {J} */
  of(job) {
    const told = this.#told.get(job.id);
    const live = job.state === 'running' || job.awaits === 'children';
    if (!told || !live || told.attempt < job.attempt) return job;
    return told.progress < job.progress ? job : { ...job, ...told };
  }
}

/**
 * What a job is about, for people.
 * @param {Job} job
 */
export function aboutJob({ name, args, recipient, id }) {
  switch (name) {
    case 'send':
      return recipient ?? args?.to ?? '';
    case 'bulk':
      return args?.total ? `${args.total} recipients` : '';
    case 'process':
      return args?.order_id ?? id;
    case 'optimize':
      return args?.media_id ?? '';
    case 'deliver':
      return args?.event_type ?? '';
    default:
      return id;
  }
}

/** @type {Record<string, string>} */
const NAMES = {
  send: 'Send a message',
  bulk: 'Send to many',
  process: 'Process an order',
  optimize: 'Make a picture’s sizes',
  deliver: 'Call a webhook',
};

/** @param {string} name @returns {string} what people call a task */
export function taskTitle(name) {
  return NAMES[name] ?? name;
}

/**
 * The state of a job in a word, with what it waits for where it waits.
 * @param {Job} job
 * @param {number} now ms
 */
export function stateText({ state, awaits, run_at: at }, now) {
  if (state === 'queued' && awaits === 'bot') return 'waits for a bot';
  if (state === 'queued' && awaits === 'children') return 'under way';
  if (state === 'retrying' && Date.parse(at) > now) return 'to be retried';
  return state;
}
