// Runs before the first paint, as a module cannot: a page that flashes white is a page one notices.
(() => {
  try {
    document.documentElement.dataset.theme = localStorage.getItem('hub.theme') ?? 'system';
  } catch {
    // Storage is forbidden: the system decides.
  }
})();
