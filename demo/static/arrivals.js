// Following what arrives at the receivers, for as long as the page is looked at.

const PAUSE = 800;

export function follow(onArrivals, onAnswers = () => {}) {
  const url = new URL(document.body.dataset.arrivalsUrl);
  let last = 0;

  async function look() {
    try {
      url.searchParams.set('after', last);
      const { arrivals, answers } = await (await fetch(url)).json();
      if (arrivals.length) {
        const first = last === 0;
        last = arrivals.at(-1).number;
        onArrivals(arrivals, first);
      }
      onAnswers(answers);
    } catch {
      // The server is away; it may be back the next time.
    }
    setTimeout(again, PAUSE);
  }

  function again() {
    if (document.hidden) {
      document.addEventListener('visibilitychange', again, { once: true });
    } else {
      look();
    }
  }

  look();
}

export const SIGNATURES = {
  valid: ['good', 'signature valid'],
  wrong: ['bad', 'signature wrong'],
  unsigned: ['', 'unsigned'],
  unchecked: ['', 'signature not checked'],
};
