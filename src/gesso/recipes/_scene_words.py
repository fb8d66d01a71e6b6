"""The words of the recipe `scene`."""

from __future__ import annotations

from gesso.card import wordbook

TITLE = {"en": "Scene from photographs", "ko": "사진으로 만드는 입체 장면"}
SUMMARY = {
    "en": "Learns a place from photographs with cameras, and shows it from any side.",
    "ko": "카메라 위치를 아는 사진들로 장면을 익혀, 어느 쪽에서든 보여 줍니다.",
}
OUTPUTS = (
    ("image", "picture", {"en": "the scene from the camera", "ko": "카메라에서 본 장면"}),
    ("depth", "picture", {"en": "distance: white is near, black is nothing", "ko": "거리: 밝을수록 가깝고 검은 곳은 비어 있음"}),
    ("opacity", "picture", {"en": "how much of the light is stopped", "ko": "빛이 가려진 정도"}),
    ("points", "points", {"en": "a point cloud, where `points` is above 0", "ko": "점 구름 (점의 수가 0보다 클 때)"}),
)
WORDS = wordbook("""
    camera | Camera | 카메라 | an orbit around the scene, or a matrix | 장면을 도는 위치, 또는 행렬
    num_steps | Steps | 단계 수 | steps of learning, for a fit | 장면을 익히는 단계 수
    minutes | Minutes | 시간(분) | the most time that a fit takes; 0 is no limit | 익히는 데 쓸 최대 시간, 0이면 제한 없음
    size | Size | 크기 | pixels a side | 한 변의 픽셀 수
    points | Points | 점의 수 | the most points of the cloud; 0 makes none | 점 구름의 최대 점 수, 0이면 만들지 않음
""")
LIMITS = {
    "en": "Everything lies in one box, and stays still. A background that reaches far is not modelled: cut the object out, or take "
    "photographs all around it. Cameras come from elsewhere, such as COLMAP.",
    "ko": "장면은 한 상자 안에 있고 움직이지 않아야 합니다. 먼 배경은 다루지 않으므로 물체를 오려 내거나 사방에서 찍으세요. "
    "카메라 위치는 COLMAP 같은 도구로 미리 구해야 합니다.",
}
