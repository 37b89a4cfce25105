/**
 * Cards that are moved by pointer. A mouse and a pen take a card anywhere, a finger by its grip,
 * since it scrolls by the rest.
 */

/** A hand that trembles has not moved anything, px. */
const SLACK = 6;
/** So near to an edge of the board, the board comes along, px. */
const EDGE = 48;
const SCROLL_PX = 14;

/**
 * @param {HTMLElement} board the cards are its `.card-item`s, the places its `[data-place]`s
 * @param {object} rules
 * @param {(id: string) => boolean} rules.lift whether the card may be moved; it is from here on
 * @param {(place: string | null) => void} rules.over the place that it stands over
 * @param {(id: string, place: string | null) => void} rules.drop null: back to where it was
 * @returns {{ holding: boolean, cancel: () => void }}
 */
export function draggable(board, { lift, over, drop }) {
  /** @type {null | { id: string, card: HTMLElement, x: number, y: number, pointer: number,
   *   ghost: HTMLElement | null, place: string | null }} */
  let held = null;

  board.addEventListener('pointerdown', (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const card = /** @type {HTMLElement | null} */ (target.closest('.card-item'));
    if (!card || event.button !== 0 || held || target.closest('.card-step')) return;
    if (event.pointerType === 'touch' && !target.closest('.card-grip')) return;
    const { clientX: x, clientY: y, pointerId: pointer } = event;
    held = { id: card.dataset.id, card, x, y, pointer, ghost: null, place: null };
  });

  function move(event) {
    if (!held || event.pointerId !== held.pointer) return;
    const across = event.clientX - held.x;
    const down = event.clientY - held.y;
    if (!held.ghost) {
      // It was let go where the board does not hear of it.
      if (event.buttons === 0) {
        held = null;
        return;
      }
      if (Math.hypot(across, down) < SLACK) return;
      if (!lift(held.id)) {
        held = null;
        return;
      }
      held.ghost = ghostOf(held.card);
      board.setPointerCapture(held.pointer);
    }
    event.preventDefault();
    held.ghost.style.transform = `translate(${across}px, ${down}px) rotate(1.5deg)`;
    follow(event.clientX);
    const under = document.elementFromPoint(event.clientX, event.clientY);
    const place = /** @type {HTMLElement | null} */ (under?.closest('[data-place]'));
    held.place = place?.dataset.place ?? null;
    over(held.place);
  }

  function follow(x) {
    const { left, right } = board.getBoundingClientRect();
    if (x < left + EDGE) board.scrollLeft -= SCROLL_PX;
    else if (x > right - EDGE) board.scrollLeft += SCROLL_PX;
  }

  function end(event, dropped) {
    if (!held || event.pointerId !== held.pointer) return;
    const { id, ghost, place } = held;
    held = null;
    if (!ghost) return;
    ghost.remove();
    // The release is a click on what is below; it is none for the card.
    board.addEventListener('click', swallow, { capture: true });
    setTimeout(() => board.removeEventListener('click', swallow, { capture: true }));
    drop(id, dropped ? place : null);
  }

  board.addEventListener('pointermove', move);
  board.addEventListener('pointerup', (event) => end(event, true));
  board.addEventListener('pointercancel', (event) => end(event, false));

  return {
    /** Whether a card follows the pointer. */
    get holding() {
      return held !== null && held.ghost !== null;
    },
    /** Puts the card that is in the hand back. */
    cancel() {
      if (held) end({ pointerId: held.pointer }, false);
    },
  };
}

function swallow(event) {
  event.stopPropagation();
  event.preventDefault();
}

/** What follows the pointer: a picture of the card, over everything. */
function ghostOf(card) {
  const { left, top, width } = card.getBoundingClientRect();
  const ghost = /** @type {HTMLElement} */ (card.cloneNode(true));
  ghost.classList.add('lifted');
  ghost.setAttribute('aria-hidden', 'true');
  ghost.inert = true;
  Object.assign(ghost.style, { left: `${left}px`, top: `${top}px`, width: `${width}px` });
  document.body.append(ghost);
  return ghost;
}
