"""What a page of ours must never hold, each as an expression that lists what does in a browser."""

BROUGHT = r"""(() => {
    const ours = new Set((
        "html head meta title style body a header div search label input kbd button form select "
        + "option nav main p footer script noscript h1 h2 bdi time ul ol li strong em span section "
        + "svg line text g rect details summary table caption thead tbody tr th td article pre "
        + "code blockquote q dl dt dd mark"
    ).split(" "));
    const scripts = [...document.querySelectorAll("body > script")].slice(0, 2);
    const leadsAway = ({name, value}) => /^(on|src|srcdoc|action|formaction)/.test(name)
        || name === "style" && !/^(--part: [\d.]+;|--top: \d+px;)$/.test(value)
        || /href/.test(name) && !/^#[\w/?&=.%+*-]*$/.test(value);
    return [...document.querySelectorAll("*")].filter((one) => !ours.has(one.localName)
        || [...one.attributes].some(leadsAway)
        || one.localName === "script" && !scripts.includes(one)
    ).map((one) => one.outerHTML.slice(0, 200));
})()"""
"""Elements that we don't make, and links, styles or handlers that a text could have brought."""

UNREADABLE = """(() => {
    const canvas = Object.assign(document.createElement("canvas"), {width: 1, height: 1});
    const paint = canvas.getContext("2d", {willReadFrequently: true});
    const parts = (colour) => {
        paint.clearRect(0, 0, 1, 1);
        paint.fillStyle = colour;
        paint.fillRect(0, 0, 1, 1);
        return [...paint.getImageData(0, 0, 1, 1).data];
    };
    const linear = (one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4;
    const light = ([red, green, blue]) => 0.2126 * linear(red / 255)
        + 0.7152 * linear(green / 255) + 0.0722 * linear(blue / 255);
    const behind = (one) => {
        const colour = parts(getComputedStyle(one).backgroundColor);
        return colour[3] > 200 || !one.parentElement ? colour : behind(one.parentElement);
    };
    const contrast = (one) => {
        const pair = [light(parts(getComputedStyle(one).color)), light(behind(one))];
        return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    };
    const hasText = (one) => [...one.childNodes].some((node) => node.nodeType === 3
        && node.data.trim());
    return [...document.querySelectorAll("body *")]
        .filter((one) => one.checkVisibility() && hasText(one) && !one.closest("svg, .target"))
        .filter((one) => contrast(one) < 4.5).map((one) => one.outerHTML.slice(0, 120));
})()"""
"""Texts with less contrast to what is behind them than WCAG AA asks for."""

NAMELESS = """[...document.querySelectorAll("input, select, button, nav, a, form")]
    .filter((one) => !(one.labels?.length || one.ariaLabel || one.textContent.trim()))
    .map((one) => one.outerHTML)"""
"""Controls that a screen reader has no name for."""
