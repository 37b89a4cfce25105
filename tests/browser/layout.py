"""What is wrong with a page's layout, found by script: overflow, overlap, clipping, contrast."""

from typing import Any

from playwright.async_api import Page

FAULTS = """
() => {
  const faults = [];
  const name = (element) => {
    const text = (element.textContent || element.placeholder || '').trim().slice(0, 30);
    return `${element.tagName.toLowerCase()}.${element.className} “${text}”`;
  };

  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) faults.push(`the page is ${root.scrollWidth} px wide`);

  // The part of an element that can be seen, after its ancestors have cut it.
  const seen = (element) => {
    const style = getComputedStyle(element);
    if (style.visibility === 'hidden' || element.classList.contains('unseen')) return null;
    let { left, top, right, bottom } = element.getBoundingClientRect();
    for (let above = element.parentElement; above; above = above.parentElement) {
      if (getComputedStyle(above).overflow === 'visible') continue;
      const box = above.getBoundingClientRect();
      [left, top] = [Math.max(left, box.left), Math.max(top, box.top)];
      [right, bottom] = [Math.min(right, box.right), Math.min(bottom, box.bottom)];
    }
    return right - left > 1 && bottom - top > 1 ? { left, top, right, bottom } : null;
  };
  const ownText = (element) => {
    return [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  };
  const dialog = [...document.querySelectorAll('dialog:modal')].at(-1);
  const drawer = document.querySelector('.sidebar.opened');
  const scope = dialog ?? drawer ?? document.body;
  const controls = 'button, input, select, textarea, a';
  const parts = [...scope.querySelectorAll('*')]
    .filter((element) => element.matches(controls) || ownText(element))
    .filter((element) => !element.matches('option, .skip'))
    .map((element) => ({ element, box: seen(element) }))
    .filter(({ box }) => box);

  const floating = 'toast-stack, .pill, .filter-problem, event-inspector, .lifted, .file-drop';
  const flowing = (element) => getComputedStyle(element).display === 'inline';
  const layer = (element) => element.closest(floating);
  for (const [index, { element, box }] of parts.entries()) {
    if (box.left < -1 || box.right > root.clientWidth + 1) {
      faults.push(`${name(element)} sticks out`);
    }
    if (element.matches('button, a') && element.scrollWidth > element.clientWidth + 1) {
      faults.push(`${name(element)} is clipped`);
    }
    for (const other of parts.slice(index + 1)) {
      if (element.contains(other.element) || other.element.contains(element)) continue;
      // What floats above the page covers it on purpose.
      if (layer(element) !== layer(other.element)) continue;
      // Words of one text follow each other; where they wrap, only their boxes cover each other.
      if (flowing(element) && flowing(other.element)) continue;
      const across = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left);
      const down = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top);
      if (across > 1 && down > 1) faults.push(`${name(element)} overlaps ${name(other.element)}`);
    }
  }
  return faults;
}
"""

# WCAG 2: 4.5 to 1 for text of this size.
CONTRAST = """
() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const over = ([r, g, b, a], under) => {
    return [r, g, b].map((c, i) => (c * a + under[i] * (255 - a)) / 255);
  };
  const luminance = (color) => {
    const [r, g, b] = color.map((c) => {
      return c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (element) => {
    if (!element) return [255, 255, 255];
    const own = rgba(getComputedStyle(element).backgroundColor);
    return own[3] === 255 ? own.slice(0, 3) : over(own, background(element.parentElement));
  };
  const faults = [];
  for (const element of document.querySelectorAll('body *')) {
    const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!text || !element.checkVisibility({ visibilityProperty: true })) continue;
    const under = background(element);
    const color = rgba(getComputedStyle(element).color);
    color[3] *= getComputedStyle(element).opacity;
    const [light, dark] = [luminance(over(color, under)), luminance(under)].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) faults.push(`${element.className}: ${ratio.toFixed(2)}`);
  }
  return [...new Set(faults)];
}
"""


SMALLEST, SMALL = 360, 390
"""Widths of telephones: what is seen at the one is seen at the other."""
FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


async def layout_faults(page: Page) -> list[str]:
    """Sideways overflow, overlapping parts, clipped buttons; what ends in an ellipsis is fine.

    A page that is as narrow as the smallest telephone is looked at on the next larger one too.
    """
    faults: list[Any] = await page.evaluate(FAULTS)
    size = page.viewport_size
    if size is not None and size["width"] == SMALLEST:
        await page.set_viewport_size({"width": SMALL, "height": size["height"]})
        await page.evaluate(FRAMES)
        faults += [f"at {SMALL} px: {fault}" for fault in await page.evaluate(FAULTS)]
        await page.set_viewport_size({"width": SMALLEST, "height": size["height"]})
        await page.evaluate(FRAMES)
    return [str(fault) for fault in faults]


async def contrast_faults(page: Page) -> list[str]:
    """Text that stands out too little from what is behind it."""
    faults: list[Any] = await page.evaluate(CONTRAST)
    return [str(fault) for fault in faults]
